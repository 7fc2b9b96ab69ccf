// What `tiefsuche start` is on a terminal: the server with its page, and the quickstart trained beside it in a process of
// its own, at low priority. The page shows it learning; the model answers from its first checkpoint on. Ctrl-C stops both,
// the run after its step; if this process dies, the run goes on, and the next start finds it.

import { join } from 'node:path';
import { isTiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { packageRoot } from '../ledger/provenance.ts';
import { latestCheckpoint } from '../models/formats/checkpoint-folder.ts';
import { listModels } from '../models/list-models.ts';
import { listRuns } from '../runs/run-folder.ts';
import { type RunningServer, type ServeOptions, serve } from '../serving/server.ts';
import { startingProcess } from '../runs/run-start.ts';
import { logPath, readWords } from '../serving/studio/run-reader.ts';
import { startTrainer, stopTrainer, stoppedStatus } from '../serving/studio/trainer.ts';
import { commandLine } from './command-line.ts';
import { duration } from './figures.ts';
import { type Progress, openProgress } from './progress.ts';
import { errorJson, errorText, lastError } from './error-words.ts';
import { type Terminal, styleFor } from './terminal.ts';

export interface StudioWishes {
  /** The run to begin, go on with, or find finished. */
  readonly run: string;
  readonly recipe: string;
  /** The first port to try. */
  readonly port: number;
  /** Prints one line for programs when the page is there. */
  readonly json: boolean;
}

const portsTried = 50, lookEvery = 1000; // ms

export async function openStudio({ run, recipe, port, json }: StudioWishes, terminal: Terminal): Promise<void> {
  const home = homeFolder(), { out } = terminal, told = signalled();
  const server = await listenNearby(port, {
    models: [], host: '127.0.0.1', names: [], proxies: { header: null, addresses: [] }, maxQueue: 64, timeLimit: 600, grace: 2, commandLine: commandLine(),
    engine: { precision: 'file', slots: 4, context: null, cacheBytes: 512 * 2 ** 20, cache: null, besideTraining: 0.25 },
  });
  let mine: Trainer | null = null, left = false;
  try {
    mine = train(run, recipe, home);
    void mine?.ended.then((status) => { if (status !== 0 && status !== stoppedStatus && !left) tellFailure(run, home, status, json); });
    if (json) terminal.print(JSON.stringify({ url: server.url, run }));
    else {
      terminal.print(`${out.bold(server.url)}  ${out.dim('the studio: open it in a browser. Ctrl-C stops it.')}`);
      terminal.print(out.dim(`an AI system answers there; \`tiefsuche chat ${run}\` talks with it on the terminal`));
    }
    const watcher = watch(run, home, server, json ? null : terminal);
    await told.first;
    left = true;
    watcher();
  } finally {
    if (mine) await settle(run, home, mine, json ? null : terminal, told.second);
    else if (!json && atWork(run, home)) terminal.print(`\nthe run "${run}" was begun elsewhere and goes on; the page of \`tiefsuche start\` stops it`);
    await server.stop();
    told.release();
  }
}

type Trainer = ReturnType<typeof startTrainer>;

/** Starts who trains the run, unless it is finished or someone does already (null). What is started here is ours to stop. */
function train(run: string, recipe: string, home: string): Trainer | null {
  const there = listRuns(home).find((r) => r.name === run);
  if (there?.status === 'finished' || atWork(run, home)) return null;
  return startTrainer(commandLine(), there ? ['train', '--run', run, '--resume'] : ['train', join(packageRoot(), 'recipes', `${recipe}.yaml`), '--run', run, '--expect'], run, home);
}

/** Whether a process trains the run, or is about to: one that has only just begun to train is not overlooked between the two. */
const atWork = (run: string, home: string): boolean => startingProcess(run, home) !== null || listRuns(home).some((r) => r.name === run && r.status === 'running');

/** What a trainer that failed said last: code, message and what to do; without such words, that it was ended from outside. */
function tellFailure(run: string, home: string, status: number | null, json: boolean): void {
  const error = lastError(readWords(logPath(home, run))) ?? { code: 'BACKEND', message: `the process that trains "${run}" ended ${status === null ? 'by a signal, as when memory runs out' : `with status ${status}`}`, hint: `What it said is in ${logPath(home, run)}; \`tiefsuche start\` goes on with the run.` };
  process.stderr.write(`${json ? errorJson(error) : `\n${errorText(error, styleFor(process.stderr))}`}\n`);
}

/** Progress on the terminal, and the model into the server as soon as there is one. */
function watch(run: string, home: string, server: RunningServer, terminal: Terminal | null): () => void {
  const { store, runs } = server.state;
  let progress: Progress | null = null, last = '';
  const look = (): void => {
    const report = runs.list().find((r) => r.name === run);
    if (!report) return;
    if (!store.models.has(run) && !store.loading.has(run) && !store.failures.has(run) && (latestCheckpoint(join(home, 'runs', run)) !== null || listModels(home).some((m) => m.name === run))) void store.load(run).catch(() => {});
    if (terminal && report.status === 'running') {
      progress ??= openProgress({ label: `training ${run}`, total: report.total_steps, unit: 'steps' });
      progress.update(report.step ?? 0);
    } else if (terminal && last === 'running') {
      progress?.finish(`${run}: ${report.status}${report.accuracy === null ? '' : `, ${(100 * report.accuracy).toFixed(0)} % of unseen problems right`}, ${duration(report.seconds)}`);
      progress = null;
    }
    last = report.status;
  };
  look();
  const timer = setInterval(look, lookEvery);
  return () => { clearInterval(timer); progress?.finish(); };
}

/** Asks the run to finish its step and save, or not to begin at all, and waits for that; a second Ctrl-C leaves it to do so by itself. */
async function settle(run: string, home: string, { ended }: Trainer, terminal: Terminal | null, second: Promise<void>): Promise<void> {
  const running = (): boolean => atWork(run, home);
  try {
    if (!running() || !stopTrainer(run, home)) return;
  } catch (error) {
    if (isTiefsucheError(error)) return;
    throw error;
  }
  const begun = (): boolean => listRuns(home).some((r) => r.name === run);
  terminal?.print(begun() ? '\nstopping: the run finishes its step and saves' : '\nstopping: the run has not begun yet');
  let left = false;
  void second.then(() => { left = true; });
  while (running() && !left) await new Promise((resolve) => { setTimeout(resolve, 100); });
  await Promise.race([ended, second]); // it has let go of the run, and closes
  terminal?.print(left ? 'it ends by itself' : begun() ? 'all of it is saved; `tiefsuche start` goes on with it' : 'nothing was begun; `tiefsuche start` begins it');
}

async function listenNearby(port: number, options: Omit<ServeOptions, 'port'>): Promise<RunningServer> {
  for (let next = port; ; next++) {
    try {
      return await serve({ ...options, port: next });
    } catch (error) {
      const busy = isTiefsucheError(error) && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE';
      if (!busy || port === 0 || next - port >= portsTried || next >= 65_535) throw error;
    }
  }
}

/** Ctrl-C and being told to end, once and twice. */
function signalled(): { readonly first: Promise<void>; readonly second: Promise<void>; release(): void } {
  let times = 0, one = (): void => {}, two = (): void => {};
  const first = new Promise<void>((resolve) => { one = resolve; }), second = new Promise<void>((resolve) => { two = resolve; });
  const handle = (): void => (++times === 1 ? one() : two());
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, handle);
  return { first, second, release: () => { for (const signal of signals) process.off(signal, handle); } };
}
