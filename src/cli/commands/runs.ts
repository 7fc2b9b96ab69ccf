// `tiefsuche runs`: every run there is a folder or a record of. A run whose folder was deleted is still listed, because
// its cost is still in the ledger.
import { homeFolder } from '../../home.ts';
import { listAttempts, readAttempt } from '../../ledger/workspace.ts';
import { listRuns, type RunInfo } from '../../runs/run-folder.ts';
import type { Command, CommandContext } from '../command.ts';
import { clip, duration, grouped, moment, table } from '../figures.ts';
import { visibleLength, type Style } from '../terminal.ts';

interface Listed extends Omit<RunInfo, 'path'> {
  /** Null: the folder was deleted. */
  path: string | null;
  seconds: number;
  tokens_trained: number;
  why: string;
  /** How all attempts ended. */
  outcomes: string[];
}

export const runs: Command = {
  name: 'runs',
  summary: 'list all runs, failed and aborted ones too',
  description: 'Lists all runs, latest first: finished, running, failed, aborted, and unfinished ones (these can be resumed).',
  reports: true,
  examples: [
    { line: 'tiefsuche runs', text: 'all runs' },
    { line: 'tiefsuche runs --json', text: 'the same for programs, with paths and times' },
  ],
  run: ({ json, terminal }) => {
    const all = listed();
    if (json) terminal.print(JSON.stringify(all, null, 2));
    else printRuns(all, terminal);
  },
};

function listed(home = homeFolder()): Listed[] {
  const records = new Map<string, Pick<Listed, 'seconds' | 'tokens_trained' | 'why' | 'outcomes' | 'name' | 'attempts' | 'firstStarted' | 'lastEnded'>>();
  for (const { path, run, name, openedAt, writer, closed } of listAttempts(home)) {
    const said = readAttempt(path);
    const record = records.get(run) ?? { seconds: 0, tokens_trained: 0, why: '', outcomes: [], name, attempts: 0, firstStarted: openedAt, lastEnded: null };
    record.seconds += said?.ticks.reduce((sum, t) => sum + t.seconds, 0) ?? 0;
    record.tokens_trained += said?.ticks.reduce((sum, t) => sum + t.tokens.trained, 0) ?? 0;
    record.why = said?.start.why ?? record.why;
    record.attempts += 1;
    record.outcomes.push(said?.end?.outcome ?? (closed || writer === 'dead' ? 'failed' : 'running'));
    record.lastEnded = said?.end?.time ?? record.lastEnded;
    records.set(run, record);
  }
  const folders = listRuns(home).map((info): Listed => {
    const record = records.get(info.id);
    return { ...info, seconds: record?.seconds ?? 0, tokens_trained: record?.tokens_trained ?? 0, why: record?.why ?? '', outcomes: record?.outcomes ?? [] };
  });
  const deleted = [...records].filter(([id]) => !folders.some((f) => f.id === id)).map(([id, record]): Listed => {
    const last = record.outcomes.at(-1);
    const status = last === 'completed' ? 'finished' : last === 'failed' || last === 'aborted' || last === 'running' ? last : 'unfinished';
    return { id, path: null, step: null, pid: null, status, ...record };
  });
  return [...folders, ...deleted].sort((a, b) => (b.firstStarted ?? '').localeCompare(a.firstStarted ?? ''));
}

function printRuns(all: readonly Listed[], { out, print, width, isTerminal }: CommandContext['terminal']): void {
  if (all.length === 0) {
    print(`no runs yet in ${homeFolder()}\n${out.dim('`tiefsuche start` trains the first one')}`);
    return;
  }
  const facts = table([
    { title: 'run' }, { title: 'status' }, { title: 'attempts', align: 'right' }, { title: 'step', align: 'right' }, { title: 'time', align: 'right' }, { title: 'begun' },
  ], all.map((r) => [
    r.path === null ? out.dim(`${r.name} (folder deleted)`) : out.bold(r.name), paint(r.status, out), String(r.attempts), r.step === null ? '–' : grouped(r.step),
    duration(r.seconds), r.firstStarted === null ? '–' : moment(r.firstStarted),
  ]), out.dim).split('\n');
  // The reason takes what room is left; where little is, it goes.
  const used = Math.max(...facts.map(visibleLength));
  const room = isTerminal ? width - used - 3 : Infinity;
  const reasons = ['why', ...all.map((r) => r.why)];
  print(facts.map((line, i) => (room < 12 ? line : `${line}${' '.repeat(used - visibleLength(line))}  ${out.dim(clip(reasons[i]!, room))}`)).join('\n'));
  if (all.some((r) => r.status === 'unfinished' || r.status === 'aborted')) {
    print(`\n${out.dim('unfinished and aborted runs go on with: tiefsuche train RECIPE --run NAME --resume')}`);
  }
}

function paint(status: string, out: Style): string {
  const colour = { finished: out.green, running: out.cyan, failed: out.red }[status];
  return (colour ?? out.yellow)(status);
}
