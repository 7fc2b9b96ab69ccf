// What a parity proof must not let pass: each fault is put into an export or into what another engine answers.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../engine/backends/open.ts';
import { TiefsucheError } from '../errors.ts';
import { exportFolder } from '../models/export-folder.ts';
import { openExportSource } from '../models/export-source.ts';
import { readPeftAdapter, savePeftAdapter } from '../models/formats/peft.ts';
import { readSafetensors } from '../models/formats/safetensors.ts';
import { writeSafetensors } from '../models/formats/safetensors-write.ts';
import { charTokenizer } from '../tokenizer/char-tokenizer.ts';
import { ourSide, type Side } from './parity.ts';
import { type Exported, type ParityProof, proveExport } from './prove-export.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url)), place = mkdtempSync(join(tmpdir(), 'tiefsuche-proof-')), backend = openBackend();
after(() => { backend.close(); rmSync(place, { recursive: true, force: true }); });

/** A random llama that begins every text and every conversation with <b>. */
const model = join(place, 'model');
cpSync(join(fixtures, 'tiny/llama'), model, { recursive: true });
const { tokenizerJson, tokenizerConfig } = charTokenizer([...'abcdefghij äß€\n1'], { tokens: ['<e>', '<u>', '<b>', '<z>'], bos: '<b>', eos: '<e>', unk: '<u>' }, { add_bos_token: true, chat_template: '{{ bos_token }}{% for m in messages %}{{ m.content }}\n{% endfor %}a' });
writeFileSync(join(model, 'tokenizer.json'), JSON.stringify(tokenizerJson));
writeFileSync(join(model, 'tokenizer_config.json'), JSON.stringify(tokenizerConfig));
writeFileSync(join(model, 'generation_config.json'), JSON.stringify({ eos_token_id: [0, 3] }));
const adapter = join(fixtures, 'tiny-lora'), exact: Exported = { path: model, format: 'F32', exact: true };

/** The proof of an export that another engine answers for as ours does, but for what is changed. */
const proof = (change: (side: Side) => Partial<Side>, exported: Exported = exact, source: { path: string; adapter?: string } = { path: model }): Promise<ParityProof> => proveExport(backend, source, exported, {
  async run(path, questions) {
    const { side } = await ourSide(backend, path, questions);
    return { ...side, engine: 'another engine', ...change(side) };
  },
});

/** The model as a folder, its weights changed on the way. */
async function changed(name: string, change: (weight: string, data: Float32Array) => Float32Array): Promise<string> {
  const folder = join(place, name);
  cpSync(model, folder, { recursive: true });
  const file = readSafetensors(join(model, 'model.safetensors')), tensors = [...file.tensors.values()].map((t) => ({ name: t.name, shape: t.shape, data: change(t.name, file.readFloat32(t.name)) }));
  file.close();
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  return folder;
}

async function merged(name: string, lora: string): Promise<string> {
  const folder = join(place, name), source = openExportSource(model, lora);
  try { await exportFolder(source, folder, 'F32'); } finally { source.close(); }
  return folder;
}

test('what is the same passes, and the record says how answers end', async () => {
  const { passed, problems, ends } = await proof(() => ({}));
  assert.deepEqual([passed, problems, ends], [true, [], [[0, 3], [0, 3], [0, 3]]]);
});

test('NaN in the logits of the other engine, of ours, or of both', async () => {
  const nan = (side: Side): Partial<Side> => ({ logits: side.logits.slice().fill(NaN, 5, 6) });
  assert.match((await proof(nan)).problems.join(), /mean KL of NaN/);
  const broken = await changed('overflow', (name, data) => (name === 'model.norm.weight' ? data.fill(3e38) : data));
  assert.match((await proof(() => ({}), { path: broken, format: 'F32', exact: true })).problems.join(), /up to NaN in a logit.*mean KL of NaN/);
  assert.match((await proof(() => ({}), { path: broken, format: 'Q8_0', exact: false }, { path: broken })).problems.join(), /rounding to Q8_0 changes the model: mean KL NaN/);
});

test('another end token, a missing end, a second token of beginning, other tokens around a text', async () => {
  assert.match((await proof(() => ({ end: 2 }))).problems.join(), /reads 2 as the end token, where an answer of the model ends at 0, 3/);
  assert.match((await proof(() => ({ ends: [0] }))).problems.join(), /does not end an answer at the token 3/);
  assert.match((await proof((s) => ({ chat: [2, ...s.chat!] }))).problems.join(), /another chat prompt: \[2, 2, /);
  assert.match((await proof((s) => ({ framed: s.framed.slice(1) }))).problems.join(), /other tokens around a text/);
  assert.deepEqual((await proof(() => ({ ends: [0, 3, 2] }))).problems, [], 'more ends, as llama.cpp knows some by their names');
});

test('an adapter that is merged well passes, and one that is merged at another scale does not', async () => {
  const good = await merged('merged', adapter), exported = { format: 'F32', exact: false }, source = { path: model, adapter };
  const { passed, problems, formatLoss, limits } = await proof(() => ({}), { ...exported, path: good }, source);
  assert.deepEqual([passed, problems], [true, []]);
  assert.ok(formatLoss.meanKl < limits.formatLoss / 100, `${formatLoss.meanKl} beside the limit ${limits.formatLoss}`);
  const { config: { r, lora_alpha: alpha }, modules } = readPeftAdapter(adapter), weaker = join(place, 'weaker');
  await savePeftAdapter(weaker, { baseModel: 'tiny', rank: r, alpha: 0.95 * alpha, modules });
  assert.match((await proof(() => ({}), { ...exported, path: await merged('merged-weaker', weaker) }, source)).problems.join(), /merging the adapter changes the model/);
});

test('a quantiser that loses the signs of a matrix, with both engines agreeing on its file', async () => {
  const path = await changed('signs', (name, data) => (name.endsWith('layers.1.mlp.down_proj.weight') ? data.map(Math.abs) : data));
  for (const format of ['F16', 'BF16', 'Q8_0', 'Q6_K', 'Q5_K', 'Q4_K']) {
    const { passed, problems } = await proof(() => ({}), { path, format, exact: false });
    assert.deepEqual([passed, problems.length], [false, 1], `${format}: ${problems.join()}`);
    assert.match(problems[0]!, new RegExp(`rounding to ${format} changes the model`));
  }
});

test('an engine that cannot load the export is a problem of the proof; what has nothing to do with the export is thrown', async () => {
  const failing = (code: 'MISMATCH' | 'DISK'): Promise<ParityProof> => proveExport(backend, { path: model }, exact, { run: () => Promise.reject(new TiefsucheError(code, 'it ended with status 1', { hint: 'Try again.' })) });
  const { passed, problems, engines } = await failing('MISMATCH');
  assert.deepEqual([passed, problems, engines], [false, ['it ended with status 1'], ['tiefsuche']]);
  await assert.rejects(failing('DISK'), { code: 'DISK' });
});
