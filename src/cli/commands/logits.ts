// `tiefsuche logits MODEL --ids 1,2,3 --json`: the raw numbers, one line a position, for comparing with other engines.
import { TiefsucheError } from '../../errors.ts';
import { openBackend } from '../../engine/backends/open.ts';
import type { Precision } from '../../models/compressed.ts';
import { loadModel, openModelFiles } from '../../models/load.ts';
import { logitsOf } from '../../models/logits.ts';
import { resolveModelPath } from '../../models/model-path.ts';
import type { Command } from '../command.ts';
import { precisionOption } from '../option-values.ts';

export const logits: Command = {
  name: 'logits',
  summary: 'the model\'s raw numbers for given token ids',
  arguments: [{ name: '<model>', text: 'run name, Hugging Face folder or GGUF file' }],
  options: [{ flags: '--ids <list>', text: 'token ids, separated by commas' }, precisionOption('f32')],
  reports: true,
  examples: [{ line: 'tiefsuche logits quickstart --ids 1,2,3 --json', text: 'one line a position: {"logits":[…]}' }],
  async run({ args, options, terminal }) {
    const said = String(options['ids'] ?? '').split(',').map((s) => s.trim()).filter((s) => s !== ''), ids = Int32Array.from(said, Number);
    const backend = openBackend(), files = openModelFiles(resolveModelPath(args[0]!)), model = loadModel(backend, files, { precision: options['precision'] as Precision });
    files.close();
    const bad = said.find((id) => !/^\d+$/.test(id) || Number(id) >= model.dims.vocab); // before they are 32-bit numbers
    if (ids.length === 0 || bad !== undefined) {
      throw new TiefsucheError('USAGE', ids.length === 0 ? '--ids is missing' : `${bad} is not a token id below ${model.dims.vocab}`, { hint: 'for example --ids 1,2,3' });
    }
    if (ids.length > model.maxPositions) throw new TiefsucheError('INPUT', `${ids.length} tokens do not fit the model's ${model.maxPositions} positions`);
    const values = await logitsOf(model, ids);
    for (let i = 0; i < ids.length; i++) terminal.print(JSON.stringify({ logits: [...values.subarray(i * model.dims.vocab, (i + 1) * model.dims.vocab)] }));
    model.close();
    backend.close();
  },
};
