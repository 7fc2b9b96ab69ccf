// `tiefsuche replay RUN`: trains a run once more from its recorded recipe and compares the hash of every checkpoint: the
// proof that this model came from this data and this code.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { openBackend } from '../../engine/backends/open.ts';
import { listAttempts, readAttempt } from '../../ledger/workspace.ts';
import { listCheckpoints } from '../../training/run-folder-checkpoints.ts';
import { openRun } from '../../training/run-folder.ts';
import { trainNew } from '../../training/train.ts';
import type { Command } from '../command.ts';
import { onInterrupt } from '../terminal.ts';
import { trainingView } from '../training-view.ts';

export const replay: Command = {
  name: 'replay',
  summary: 'train a run again and compare every checkpoint, byte for byte',
  arguments: [{ name: '<run>', text: 'name of a finished run' }],
  reports: true,
  examples: [{ line: 'tiefsuche replay quickstart', text: 'takes as long as the run did' }],
  async run({ args, json, terminal }) {
    const run = openRun(args[0]!), expected = checkpointHashes(run.id, run.checkpoints);
    if (expected.size === 0) throw new TiefsucheError('NOT_FOUND', `the run "${run.name}" has no checkpoint to compare with`, { hint: 'Finish it first with --resume.' });
    const home = mkdtempSync(join(tmpdir(), 'tiefsuche-replay-')), stop = onInterrupt('stopping the replay'), backend = openBackend();
    const view = json ? () => {} : trainingView(), compared: { step: number; expected: string; got: string; equal: boolean }[] = [];
    try {
      await trainNew(readFileSync(run.recipe, 'utf8'), run.name, readFileSync(join(run.path, 'recipe-folder'), 'utf8'), {
        backend, home, cancel: { get cancelled() { return stop.signal.aborted; } },
        onEvent: (event) => {
          view(event);
          const hash = event.type === 'checkpoint' ? expected.get(event.step) : undefined;
          if (event.type !== 'checkpoint' || hash === undefined) return;
          compared.push({ step: event.step, expected: hash, got: event.sha256, equal: hash === event.sha256 });
          if (!json) terminal.print(`step ${event.step}: ${hash === event.sha256 ? terminal.out.green('same bytes') : terminal.out.red('other bytes')}  ${terminal.out.dim(event.sha256.slice(0, 16))}`);
        },
      });
    } finally {
      stop.release();
      backend.close();
      rmSync(home, { recursive: true, force: true });
    }
    const equal = compared.length > 0 && compared.every((c) => c.equal);
    if (json) terminal.print(JSON.stringify({ run: run.name, equal, checkpoints: compared }));
    else terminal.print(equal ? `${compared.length} checkpoints have the same bytes` : 'the replay came to other bytes');
    return equal ? 0 : 1;
  },
};

/** Hashes of all checkpoints that are still there. */
function checkpointHashes(id: string, folder: string): Map<number, string> {
  const known = new Map<number, string>(listCheckpoints(folder).map((c) => [c.step, c.sha256]));
  for (const attempt of listAttempts().filter((a) => a.run === id)) {
    const end = readAttempt(attempt.path)?.end;
    if (end?.checkpoint_sha256) known.set(end.step, end.checkpoint_sha256);
  }
  return known;
}
