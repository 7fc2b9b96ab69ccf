// `tiefsuche replay RUN`: trains a run once more from its recorded recipe and compares the hash of every checkpoint: the
// proof that this model came from this data and this code.
import { openBackend } from '../../engine/backends/open.ts';
import { replayRun } from '../../training/replay.ts';
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
    const stop = onInterrupt('stopping the replay'), backend = openBackend();
    try {
      const compared = await replayRun(args[0]!, { backend, cancel: { get cancelled() { return stop.signal.aborted; } }, ...(!json && { onEvent: trainingView() }) });
      const equal = compared.every((c) => c.equal);
      if (json) terminal.print(JSON.stringify({ run: args[0], equal, checkpoints: compared }));
      else {
        for (const c of compared) terminal.print(`${c.what === 'final' ? 'final model' : `step ${c.step}`}: ${c.equal ? terminal.out.green('same bytes') : terminal.out.red(c.got === null ? 'missing' : 'other bytes')}  ${terminal.out.dim(c.expected.slice(0, 16))}`);
        terminal.print(equal ? `all ${compared.length} have the same bytes` : 'the replay came to other bytes');
      }
      return equal ? 0 : 1;
    } finally {
      stop.release();
      backend.close();
    }
  },
};
