// The real SmolLM2-135M-Instruct (Q4_1) through the engine, against transformers on the dequantised weights (f32 eager)
// and against llama.cpp on the file itself (test/fixtures/smollm2, README.md there).
// llama.cpp rounds activations to 8 bits, and its builds round differently: their own top-1 differs on 3.7 % of these
// positions, by margins up to 0.089. So a token that neither build chose must be a close call (below 0.05) for one of them.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { openBackend } from '../src/engine/backends/open.ts';
import { readSafetensors } from '../src/models/formats/safetensors.ts';
import { type LanguageModel, openLanguageModel, promptIds } from '../src/models/language-model.ts';
import { logitsOf } from '../src/models/logits.ts';
import { Answerer } from '../src/reasoning/generate.ts';
import { needsSmollm2, smollm2Path } from './smollm2-file.ts';

const folder = new URL('./fixtures/smollm2/', import.meta.url);
const json = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as T;
const tensors = (name: string): ReturnType<typeof readSafetensors> => readSafetensors(new URL(`${name}.safetensors`, folder).pathname);
const { ids: texts, chats } = json<{ ids: Record<string, number[]>; chats: Record<string, { prompt: string; prompt_ids: number[]; new_ids: number[]; gaps: number[] }> }>('expected.json');

const backend = openBackend();
let exact: LanguageModel | null = null;
const exactModel = (): LanguageModel => (exact ??= openLanguageModel(backend, smollm2Path(), { maxPositions: 512 }));
after(() => { exact?.model.close(); backend.close(); });

const known = new Map<string, Float32Array>();
/** (T, V) of one text. */
async function logits({ model }: LanguageModel, key: string, ids: readonly number[]): Promise<Float32Array> {
  const values = known.get(key) ?? await logitsOf(model, Int32Array.from(ids));
  known.set(key, values);
  return values;
}

const best = (row: Float32Array): number => row.reduce((top, x, i) => (x > row[top]! ? i : top), 0);

test('SmolLM2: token ids of texts and chats are those of transformers and llama.cpp', needsSmollm2, () => {
  const { tokenizer } = exactModel(), { texts: source } = json<{ texts: Record<string, string> }>('texts.json');
  for (const [name, ids] of Object.entries(texts)) assert.deepEqual([...tokenizer.encode(source[name]!)], ids, name);
  for (const [name, { prompt, prompt_ids }] of Object.entries(chats)) assert.deepEqual([...tokenizer.encode(prompt)], prompt_ids, name);
  assert.deepEqual([...promptIds(exactModel(), [{ role: 'user', content: 'What is the capital of France?' }])], chats['capital']!.prompt_ids);
});

test('SmolLM2: logits on dequantised weights are those of transformers within 1e-3', needsSmollm2, async (t) => {
  const expected = tensors('expected'), vocab = exactModel().model.dims.vocab;
  let worst = 0, positions = 0;
  for (const [name, ids] of Object.entries(texts)) {
    const got = await logits(exactModel(), name, ids);
    const topIds = new Int32Array(expected.readBytes(`${name}.top_ids`).buffer), top = expected.readFloat32(`${name}.top_logits`), sums = expected.readFloat32(`${name}.logsumexp`);
    const last = expected.readFloat32(`${name}.last_logits`), lastRow = got.subarray((ids.length - 1) * vocab);
    last.forEach((x, i) => { worst = Math.max(worst, Math.abs(x - lastRow[i]!)); });
    for (let p = 0; p < ids.length; p++) {
      const row = got.subarray(p * vocab, (p + 1) * vocab);
      for (let k = 0; k < 8; k++) worst = Math.max(worst, Math.abs(row[topIds[8 * p + k]!]! - top[8 * p + k]!));
      const sum = Math.log(row.reduce((s, x) => s + Math.exp(x - row[topIds[8 * p]!]!), 0)) + row[topIds[8 * p]!]!;
      assert.ok(Math.abs(sum - sums[p]!) <= 1e-3, `${name}, position ${p}: log of the sum is ${sum}, expected ${sums[p]}`);
      if (top[8 * p]! - top[8 * p + 1]! >= 1e-3) assert.equal(best(row), topIds[8 * p], `${name}, position ${p}: top token`);
      positions++;
    }
  }
  t.diagnostic(`${positions} positions: largest difference of a logit ${worst.toExponential(1)}`);
  assert.ok(worst <= 1e-3, `a logit is off by ${worst}`);
  expected.close();
});

test('SmolLM2: greedy answers are those of transformers', needsSmollm2, async () => {
  const answerer = new Answerer(exactModel());
  for (const [name, { prompt_ids, new_ids, gaps }] of Object.entries(chats)) {
    assert.ok(Math.min(...gaps) > 1e-3, 'no close call in the fixture');
    const end = new_ids.indexOf(2) + 1; // our answers end with the model's end token, the fixture goes on
    const { completion } = await answerer.complete(Int32Array.from(prompt_ids), { maxTokens: 40, sampler: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } });
    assert.deepEqual([...completion.tokens], new_ids.slice(0, end), name);
  }
  answerer.close();
});

interface Agreement { readonly positions: number; readonly same: number[]; readonly kl: number[]; /** Larger margin first: positions where neither build chose our token. */ readonly lonely: number[] }

/** Our logits against both builds. */
async function againstLlamaCpp(language: LanguageModel, key: (name: string) => string): Promise<Agreement> {
  const builds = ['llama-cpp-amx', 'llama-cpp-avx2'].map(tensors), vocab = language.model.dims.vocab;
  const same = [0, 0], kl = [0, 0], lonely: number[] = [];
  let positions = 0;
  for (const [name, ids] of Object.entries(texts)) {
    const got = await logits(language, key(name), ids);
    const reference = builds.map((b) => ({ ids: new Int32Array(b.readBytes(`${name}.top_ids`).buffer), logp: b.readFloat32(`${name}.top_logprobs`) }));
    for (let p = 0; p < ids.length; p++, positions++) {
      const row = got.subarray(p * vocab, (p + 1) * vocab), top = best(row);
      const norm = row[top]! + Math.log(row.reduce((s, x) => s + Math.exp(x - row[top]!), 0));
      let margin = Infinity, chosen = false;
      reference.forEach(({ ids: tokens, logp }, b) => {
        const at = 32 * p;
        if (tokens[at] === top) { same[b]!++; chosen = true; }
        margin = Math.min(margin, Math.exp(logp[at]!) - Math.exp(logp[at + 1]!));
        let theirs = 0, ours = 0, sum = 0; // KL over the 32 kept tokens and all others as one
        for (let k = 0; k < 32; k++) {
          const q = row[tokens[at + k]!]! - norm, l = logp[at + k]!;
          theirs += Math.exp(l); ours += Math.exp(q); sum += Math.exp(l) * (l - q);
        }
        const rest = Math.max(1 - theirs, 1e-9), other = Math.max(1 - ours, 1e-9);
        kl[b]! += sum + rest * Math.log(rest / other);
      });
      if (!chosen) lonely.push(margin);
    }
  }
  for (const b of builds) b.close();
  return { positions, same, kl: kl.map((x) => x / positions), lonely: lonely.sort((a, b) => b - a) };
}

const inWords = ({ positions, same, kl, lonely }: Agreement): string =>
  `top-1 as llama.cpp AMX ${(100 * same[0]! / positions).toFixed(1)} %, AVX2 ${(100 * same[1]! / positions).toFixed(1)} %; ` +
  `mean KL ${kl[0]!.toFixed(4)}, ${kl[1]!.toFixed(4)}; ${lonely.length} tokens that neither chose, margins ${lonely.slice(0, 3).map((m) => m.toFixed(3)).join(', ')}`;

test('SmolLM2: where both llama.cpp builds choose another token, one of them nearly did not', needsSmollm2, async (t) => {
  const agreement = await againstLlamaCpp(exactModel(), (name) => name);
  t.diagnostic(inWords(agreement));
  assert.ok(agreement.lonely.every((m) => m < 0.05), `margins ${agreement.lonely.slice(0, 5).join(', ')}`);
  assert.ok(agreement.kl.every((x) => x < 0.006), `mean KL ${agreement.kl.join(', ')}`);
});

test('SmolLM2: quantised weights, multiplied as they are in the file, are as close to llama.cpp as its builds to each other', needsSmollm2, async (t) => {
  const quantised = openLanguageModel(backend, smollm2Path(), { maxPositions: 512, precision: 'file' });
  const agreement = await againstLlamaCpp(quantised, (name) => `quantised ${name}`);
  t.diagnostic(inWords(agreement));
  assert.ok(agreement.lonely.every((m) => m < 0.05), `margins ${agreement.lonely.slice(0, 5).join(', ')}`);
  assert.ok(agreement.kl.every((x) => x < 0.006), `mean KL ${agreement.kl.join(', ')}`);
  quantised.model.close();
});
