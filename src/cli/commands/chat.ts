// `tiefsuche chat [MODEL]`: a conversation on the terminal, or one answer with --prompt.
import { TiefsucheError } from '../../errors.ts';
import { openBackend } from '../../engine/backends/open.ts';
import type { CacheType } from '../../engine/cache-pages.ts';
import type { Precision } from '../../models/compressed.ts';
import { openLanguageModel } from '../../models/language-model.ts';
import { Answerer } from '../../reasoning/generate.ts';
import { listModels } from '../../models/list-models.ts';
import { resolveTalkingModel } from '../../models/model-path.ts';
import type { Command } from '../command.ts';
import { adapterOption, cacheOption, decimal, precisionOption, wholeNumber } from '../option-values.ts';
import { talk } from '../talk.ts';

/** The model named, else the quickstart, else the only one there is. */
export function chosenModel(name: string | undefined): string {
  if (name !== undefined) return name;
  const all = listModels();
  if (all.some((m) => m.name === 'quickstart')) return 'quickstart';
  if (all.length === 1) return all[0]!.name;
  throw new TiefsucheError('USAGE', all.length === 0 ? 'there is no model yet' : 'which model?', {
    hint: all.length === 0 ? '`tiefsuche start` trains one.' : `Choose one of ${all.map((m) => m.name).join(', ')}.`,
  });
}

export const chat: Command = {
  name: 'chat',
  summary: 'talk with a model and watch it think',
  arguments: [{ name: '[model]', text: 'run name, Hugging Face folder or GGUF file; the quickstart by default' }],
  options: [
    { flags: '--prompt <text>', text: 'ask this one thing and exit' },
    { flags: '--temperature <t>', text: '0: always the likeliest token', fallback: 0, parse: decimal('--temperature', { min: 0 }) },
    { flags: '--max-tokens <n>', text: 'longest answer, thinking included', fallback: 512, parse: wholeNumber('--max-tokens', { min: 1 }) },
    { flags: '--seed <n>', text: 'for temperatures above 0', fallback: 0, parse: wholeNumber('--seed', { min: 0 }) },
    precisionOption('file'),
    cacheOption,
    adapterOption,
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche chat', text: 'talk with the quickstart model' },
    { line: 'tiefsuche chat quickstart --prompt "What is 12+34-5?"', text: 'one answer' },
  ],
  async run({ args, options, json, terminal }) {
    const name = chosenModel(args[0]);
    const { temperature, maxTokens, seed, precision, cache, adapter, prompt } = options as { temperature: number; maxTokens: number; seed: number; precision: Precision; cache: CacheType; adapter?: string; prompt?: string };
    if (prompt === undefined && terminal.interactive && !json) return talk(name, terminal, { temperature, maxTokens, seed, precision, cache, ...(adapter !== undefined && { adapter }) });
    if (prompt === undefined) throw new TiefsucheError('USAGE', 'there is no terminal to talk on', { hint: 'Ask with --prompt TEXT.' });
    const backend = openBackend(), language = openLanguageModel(backend, resolveTalkingModel(name), { absorbed: true, precision, adapter }), answerer = new Answerer(language, { cache });
    const { thinking, content, completion } = await answerer.answer([{ role: 'user', content: prompt }], { maxTokens, sampler: { temperature, topK: 0, topP: 1, minP: 0, seed } });
    if (json) terminal.print(JSON.stringify({ thinking, content, token_ids: [...completion.tokens], logprobs: [...completion.logp], finish_reason: completion.finish }));
    else {
      if (thinking !== '') terminal.print(terminal.out.dim(thinking));
      terminal.print(content);
    }
    answerer.close();
    language.model.close();
    backend.close();
  },
};
