// From raw text to a language model: the tokenizer is made from the same file, the model learns to continue it, and the run
// can be resumed, replayed and talked to like any other.

import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openBackend } from '../engine/backends/open.ts';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { openLanguageModel } from '../models/language-model.ts';
import { Answerer } from '../reasoning/generate.ts';
import { readMetrics } from '../runs/run-folder-metrics.ts';
import { openRun } from '../runs/run-folder.ts';
import { hasSettled } from './sft.ts';
import { trainNew } from './train.ts';

const backend = openBackend();
after(() => backend.close());

const verse = 'Der Mond ist aufgegangen, die goldnen Sternlein prangen am Himmel hell und klar.';
const recipe = (tokenizer: object, stages: readonly object[]): string => JSON.stringify({
  name: 'own', why: 'a test', seed: 1, tokenizer, stages,
  model: { type: 'llama', hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16, intermediate_size: 64, max_position_embeddings: 128, tie_word_embeddings: true, tiefsuche_init: 'scaled' },
});
const stage = { method: 'pretrain', data: { file: 'text.txt' }, steps: 60, batch: 4, window: 96, optimizer: { lr: 1e-2 }, schedule: { warmup: 5 } };

for (const [what, tokenizer] of [['byte-level BPE', { file: 'text.txt', vocab_size: 300 }], ['characters', { file: 'text.txt', characters: true }]] as const) {
  test(`a new model with its own tokenizer (${what}) learns to continue its text`, async () => {
    const home = temporaryHome();
    writeFileSync(join(home, 'text.txt'), Array.from({ length: 12 }, () => verse).join('\n\n\n\n'));
    await trainNew(recipe(tokenizer, [stage]), 'own', home, { backend, home });
    const run = openRun('own', home), losses = readMetrics(run.metrics).map((row) => row['loss'] as number);
    const language = openLanguageModel(backend, run.final, { absorbed: true }), answerer = new Answerer(language);
    try {
      assert.ok(Math.abs(losses[0]! - Math.log(language.tokenizer.vocabSize)) < 0.5, `the first loss ${losses[0]} is that of guessing among ${language.tokenizer.vocabSize}`);
      assert.ok(losses.at(-1)! < 0.5, `the last loss is ${losses.at(-1)}`);
      const { completion } = await answerer.complete(language.tokenizer.encode('Der Mond ist'), { maxTokens: 80, sampler: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } });
      assert.match(language.tokenizer.decode(completion.tokens), /^ aufgegangen, die goldnen Sternlein prangen/);
      assert.equal(language.tokenizer.decode(language.tokenizer.encode(verse)), verse);
      assert.equal(language.template, null, 'it continues texts and holds no conversations');
    } finally { answerer.close(); language.model.close(); }
  });
}

test('one part of a run after another: text first, then answers; the file the tokenizer came from may not change meanwhile', async () => {
  const home = temporaryHome();
  writeFileSync(join(home, 'text.txt'), Array.from({ length: 12 }, () => verse).join('\n\n\n\n'));
  writeFileSync(join(home, 'rows.jsonl'), Array.from({ length: 12 }, () => `${JSON.stringify({ question: 'Was ist aufgegangen?', answer: 'Der Mond.' })}\n`).join(''));
  const both = recipe({ file: 'text.txt', vocab_size: 300 }, [{ ...stage, steps: 20 }, { method: 'sft', data: { file: 'rows.jsonl' }, steps: 30, batch: 4, optimizer: { lr: 1e-2 }, schedule: { warmup: 2 } }]);
  await trainNew(both, 'own', home, { backend, home });
  const language = openLanguageModel(backend, openRun('own', home).final, { absorbed: true }), answerer = new Answerer(language);
  try {
    const { content } = await answerer.answer([{ role: 'user', content: 'Was ist aufgegangen?' }], { maxTokens: 20, sampler: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } });
    assert.equal(content, 'Der Mond.');
    assert.ok(language.template!.render([{ role: 'user', content: 'Hallo' }], { addGenerationPrompt: true }).endsWith('<|user|>Hallo<|end|><|assistant|>'));
  } finally { answerer.close(); language.model.close(); }
  // Another model with that one's tokenizer.
  await trainNew(recipe({ from: 'own' }, [{ ...stage, steps: 2 }]), 'second', home, { backend, home });
  let steps = 0;
  const cancel = { get cancelled() { return steps >= 3; } };
  await assert.rejects(trainNew(both, 'third', home, { backend, home, cancel, onEvent: (e) => { if (e.type === 'step') steps++; } }));
  appendFileSync(join(home, 'text.txt'), 'x');
  const { trainOn } = await import('./train.ts');
  await assert.rejects(trainOn('third', { backend, home }), { code: 'MISMATCH' });
});

test('a tokenizer is asked for in one way, and pretraining for rows with text', async () => {
  const home = temporaryHome(), begin = (tokenizer: object, file = 'text.txt'): Promise<unknown> => trainNew(recipe(tokenizer, [{ ...stage, data: { file } }]), `r${Math.random().toString(36).slice(2)}`, home, { backend, home });
  writeFileSync(join(home, 'text.txt'), verse);
  writeFileSync(join(home, 'asks.jsonl'), '{"question":"a","answer":"b"}\n');
  await assert.rejects(begin({}), { code: 'CONFIG', message: /a new model needs a tokenizer/ });
  await assert.rejects(begin({ file: 'text.txt' }), { code: 'CONFIG', message: /vocab_size or characters/ });
  await assert.rejects(begin({ tasks: ['calendar'], from: 'x' }), { code: 'CONFIG', message: /one of tasks, from and file/ });
  await assert.rejects(begin({ file: 'none.txt', characters: true }), { code: 'NOT_FOUND' });
  await assert.rejects(begin({ file: 'text.txt', characters: true }, 'asks.jsonl'), { code: 'INPUT', message: /line 1 has no text \(keys: question, answer\)/ });
});

test('a stage ends itself when its held-out loss has settled, and the rule needs that loss', async () => {
  const losses = (...all: number[]): { step: number; loss: number }[] => all.map((loss, i) => ({ step: 10 * (i + 1), loss })), rule = { improvement: 0.02, share: 0.2 };
  assert.equal(hasSettled(losses(3, 2, 1.5, 1.2, 1.19), rule), true, 'less than 2 % over the last fifth');
  assert.equal(hasSettled(losses(3, 2, 1.5, 1.2, 1.1), rule), false);
  assert.equal(hasSettled([], rule), false);
  const home = temporaryHome(), sft = { method: 'sft', data: { tasks: [{ task: 'calendar', difficulty: 1 }], languages: ['en'] }, steps: 40, batch: 2, optimizer: { lr: 1e-9 }, heldout_size: 4 };
  await assert.rejects(trainNew(recipe({ tasks: ['calendar'] }, [{ ...sft, until: rule }]), 'none', home, { backend, home }), { code: 'CONFIG', message: /heldout_every above 0/ });
  const { steps } = await trainNew(recipe({ tasks: ['calendar'] }, [{ ...sft, heldout_every: 5, until: rule }]), 'settled', home, { backend, home });
  assert.equal(steps, 10, 'at a rate that moves nothing, the second measurement ends it');
});
