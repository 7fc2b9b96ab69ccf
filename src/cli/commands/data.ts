// `tiefsuche data inspect FILE`: what a model would read and learn of a data file, token by token.
import { existsSync } from 'node:fs';
import { TiefsucheError } from '../../errors.ts';
import { openModelFiles } from '../../models/load.ts';
import { type TextSide, textSide } from '../../models/language-model.ts';
import { type Example, spansOf } from '../../training/batches.ts';
import { inspectData } from '../../training/data-report.ts';
import { resolveModelPath } from '../../models/model-path.ts';
import type { Command } from '../command.ts';
import { grouped, si } from '../figures.ts';
import { wholeNumber } from '../option-values.ts';
import { chosenModel } from './chat.ts';

export const data: Command = {
  name: 'data',
  summary: 'what a model would read and learn of a data file',
  description: `Recognises chat messages, ShareGPT, prompt and completion, Alpaca, question and answer, and plain text, in .jsonl, .json
and .parquet. Shows rows as the model sees them: trained tokens bright, the others dimmed (without colour: trained ones in ⟦ ⟧).`,
  arguments: [{ name: '<action>', text: 'what to do', choices: ['inspect'] }, { name: '<file>', text: 'the data' }],
  options: [
    { flags: '--model <name>', text: 'whose tokenizer and chat template; the quickstart by default' },
    { flags: '--test <file>', text: 'count rows that stand in this file too' },
    { flags: '--show <n>', text: 'rows shown', fallback: 2, parse: wholeNumber('--show', { min: 0 }) },
    { flags: '--from <row>', text: 'first row shown', fallback: 1, parse: wholeNumber('--from', { min: 1 }) },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche data inspect train.jsonl --model SmolLM2-135M-Instruct.Q4_1.gguf', text: 'forms, tokens, and the first two rows' },
    { line: 'tiefsuche data inspect train.jsonl --model my-run --test test.jsonl --show 0', text: 'is anything of the test in it?' },
  ],
  async run({ args, options, json, terminal: { out, print } }) {
    const { model, test, show, from } = options as { model?: string; test?: string; show: number; from: number }, file = args[1]!;
    for (const path of [file, test]) if (path !== undefined && !existsSync(path)) throw new TiefsucheError('NOT_FOUND', `there is no file ${path}`);
    const path = resolveModelPath(chosenModel(model)), files = openModelFiles(path);
    try {
      const side = textSide(files), { report, examples } = await inspectData(side, file, test);
      const { rows, forms, tokens, trained_tokens, length, duplicates, in_test, refused } = report;
      const end = (): void => {
        if (refused.length > 0) throw new TiefsucheError('INPUT', `${grouped(refused.length)} of ${grouped(rows)} rows cannot be trained on`, { hint: 'Mend or remove them; training refuses the file until then.' });
      };
      if (json) { print(JSON.stringify({ file, model: path, ...report })); return end(); }
      print(`${out.bold(file)}  ${grouped(rows)} rows: ${Object.entries(forms).map(([form, n]) => `${grouped(n)} ${form}`).join(', ')}`);
      print(`${si(tokens)} tokens, ${si(trained_tokens)} of them trained (${((100 * trained_tokens) / tokens).toFixed(0)} %); an example has ${length.median} (median), ${length.p95} (95 % have fewer), ${length.longest} at most`);
      if (duplicates > 0) print(`${out.yellow(grouped(duplicates))} rows say the same as an earlier one`);
      if (in_test !== null) print(in_test > 0 ? `${out.yellow(grouped(in_test))} rows ask what ${test} asks: a test of memory, not of skill` : `none of them asks what ${test} asks`);
      for (const { where, why } of refused.slice(0, mostRefusedShown)) print(`${out.yellow('cannot be trained on')}: ${why.startsWith(where) ? why : `${where}: ${why}`}`);
      if (refused.length > mostRefusedShown) print(out.dim(`… and ${grouped(refused.length - mostRefusedShown)} more; --json lists all`));
      for (const { row, example } of examples.filter((e) => e.row >= from && e.row < from + show)) {
        print(`\n${out.cyan(`row ${row}`)}  ${out.dim(`${example.ids.length} tokens`)}`);
        print(painted(side, example, out.dim('x') === 'x' ? { trained: (t) => `⟦${t}⟧`, read: (t) => t } : { trained: out.bold, read: out.dim }));
      }
      end();
    } finally {
      files.close();
    }
  },
};

const mostRefusedShown = 10;

function painted({ tokenizer }: TextSide, example: Example, paint: { trained: (text: string) => string; read: (text: string) => string }): string {
  let text = '', at = 0;
  for (const [from, to] of spansOf(example)) {
    text += paint.read(tokenizer.decode(example.ids.subarray(at, from))) + paint.trained(tokenizer.decode(example.ids.subarray(from, to)));
    at = to;
  }
  return text + (at < example.ids.length ? paint.read(tokenizer.decode(example.ids.subarray(at))) : '');
}
