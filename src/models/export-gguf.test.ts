// Every architecture written as GGUF and read back: the same configuration, tokens and bits. llama.cpp's side of it is
// test/export.test.ts.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isTiefsucheError } from '../errors.ts';
import { charTokenizer } from '../tokenizer/char-tokenizer.ts';
import { exportGguf } from './export-gguf.ts';
import { openExportSource } from './export-source.ts';
import { readGgufAdapter, writeGgufAdapter } from './formats/gguf-adapter.ts';
import { fittingType } from './formats/gguf-write.ts';
import { readGguf } from './formats/gguf.ts';
import { readPeftAdapter } from './formats/peft.ts';
import { architectureOf } from './index.ts';
import { textSide } from './language-model.ts';
import { openModelFiles } from './load.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url)), place = mkdtempSync(join(tmpdir(), 'tiefsuche-export-'));
after(() => rmSync(place, { recursive: true }));

/** A fixture's folder with a tokenizer of letters. */
function withTokenizer(name: string, changes: Readonly<Record<string, unknown>> = {}): string {
  const folder = join(place, name.replaceAll('/', '-'));
  mkdirSync(folder, { recursive: true });
  cpSync(join(fixtures, name, 'model.safetensors'), join(folder, 'model.safetensors'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...JSON.parse(readFileSync(join(fixtures, name, 'config.json'), 'utf8')), ...changes }));
  const { tokenizerJson, tokenizerConfig } = charTokenizer([...'abcdefghij äß€\n1'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizerConfig));
  return folder;
}

for (const name of ['tiny/llama', 'tiny/qwen2', 'tiny/qwen3', 'tiny/deepseek-v3', 'tiny/deepseek-v3-groups', 'tiny/deepseek-v3-qlora-yarn', 'mtp/moe']) {
  test(`${name} comes back from GGUF bit for bit`, async () => {
    const source = openExportSource(withTokenizer(name)), path = join(place, `${name.replaceAll('/', '-')}.gguf`);
    const { leftOut } = await exportGguf(source, path, 'F32'), back = openModelFiles(path);
    assert.equal(leftOut.length > 0, name.startsWith('mtp'));
    for (const { name: weight } of source.specs) {
      if (!leftOut.includes(weight)) assert.deepEqual(back.weights.readFloat32(weight), source.read(weight), weight);
    }
    for (const key of ['model_type', 'hidden_size', 'num_attention_heads', 'rms_norm_eps', 'tie_word_embeddings', 'n_group', 'routed_scaling_factor', 'q_lora_rank', 'qk_nope_head_dim', 'v_head_dim', 'first_k_dense_replace']) {
      if (key in source.files.config && key in back.config) assert.deepEqual(back.config[key], source.files.config[key], key);
    }
    const ours = source.side.tokenizer, theirs = textSide(back).tokenizer;
    for (const text of ['abc äß€\n1', '', 'a<e>b']) assert.deepEqual(theirs.encode(text), ours.encode(text), text);
    back.close();
    source.close();
  });
}

/** Gemma 3 as llama.cpp has it: seven layers of which the sixth sees all, queries divided by √D. */
const gemma = { layer_types: null, sliding_window_pattern: 6, _sliding_window_pattern: 6, query_pre_attn_scalar: 12, rope_parameters: { full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 }, sliding_attention: { rope_type: 'default', rope_theta: 10000 } } };

test('tiny/gemma3 comes back from GGUF: its settings, its weights, and norms that count from 1', async () => {
  const source = openExportSource(withTokenizer('tiny/gemma3', gemma)), path = join(place, 'gemma3.gguf');
  await exportGguf(source, path, 'F32');
  const back = openModelFiles(path), { dimensions, settings } = architectureOf('gemma3_text');
  for (const { name, kind } of source.specs) {
    const [read, original] = [back.weights.readFloat32(name), source.read(name)];
    if (kind !== 'vector') assert.deepEqual(read, original, name);
    else read.forEach((x, i) => assert.ok(Math.fround(1 + x) === Math.fround(1 + original[i]!), name));
  }
  const { rope_theta: _, rope_local_base_freq: __, ...expected } = settings.call(architectureOf('gemma3_text'), source.files.config), { rope_theta: ___, rope_local_base_freq: ____, ...got } = settings.call(architectureOf('gemma3_text'), back.config);
  assert.deepEqual(got, expected);
  assert.deepEqual(dimensions(back.config), dimensions(source.files.config));
  back.close();
  source.close();
});

test('an adapter as GGUF comes back as it was; one for another model is refused', async () => {
  const adapter = readPeftAdapter(join(fixtures, 'tiny-lora')), path = join(place, 'adapter.lora.gguf'), files = openModelFiles(join(fixtures, 'tiny/llama')), other = openModelFiles(join(fixtures, 'tiny/qwen2'));
  await writeGgufAdapter(path, files.config, adapter, 'tiny');
  const file = readGguf(path), back = readGgufAdapter(path, files.config);
  assert.deepEqual([file.metadata.get('general.type'), file.metadata.get('adapter.type'), file.metadata.get('adapter.lora.alpha')], ['adapter', 'lora', adapter.config.lora_alpha]);
  assert.deepEqual(file.tensors.get('blk.0.attn_q.weight.lora_a')!.shape, [adapter.config.r, 32]);
  assert.deepEqual(new Map([...back.modules].sort()), new Map([...adapter.modules].sort()));
  assert.deepEqual([back.scale, back.config.r, back.config.target_modules], [adapter.scale, adapter.config.r, adapter.config.target_modules]);
  assert.throws(() => readGgufAdapter(path, other.config), { code: 'SHAPE', message: /for "llama", the model is qwen2/ });
  for (const opened of [file, files, other]) opened.close();
});

test('what GGUF cannot say is refused', async () => {
  const refused = async (name: string, changes: Record<string, unknown>, what: RegExp): Promise<void> => {
    const source = openExportSource(withTokenizer(name, changes));
    await assert.rejects(exportGguf(source, join(place, 'no.gguf'), 'F32'), (e) => isTiefsucheError(e) && e.code === 'UNSUPPORTED' && what.test(e.message));
    source.close();
  };
  await refused('tiny/qwen2', { use_sliding_window: true, sliding_window: 8, max_window_layers: 0, max_position_embeddings: 64 }, /see only 8 tokens/);
  await refused('tiny/deepseek-v3', { rope_interleave: false }, /halves/);
  await refused('tiny/gemma3', { ...gemma, query_pre_attn_scalar: 20 }, /divided by √20/);
  await refused('tiny/gemma3', { ...gemma, sliding_window_pattern: 3, _sliding_window_pattern: 3 }, /every sixth/);
});

test('NaN among the weights stops an export, and nothing is left behind', async () => {
  const source = openExportSource(withTokenizer('tiny/llama')), path = join(place, 'nan.gguf');
  await exportGguf(source, path, 'F32');
  const before = readFileSync(path);
  const whole = source.files.weights, weights = { ...whole, readFloat32: (name: string) => whole.readFloat32(name).slice().fill(NaN, 3, 4) };
  (source.files as { weights: unknown }).weights = weights;
  await assert.rejects(exportGguf(source, path, 'F32'), (e) => isTiefsucheError(e) && e.code === 'NUMERICS' && /element 3/.test(e.message));
  assert.deepEqual(readFileSync(path), before);
  source.close();
});

test('rows that do not fill blocks fall back as in llama.cpp', async () => {
  assert.deepEqual([['Q4_K', 576], ['Q5_K', 576], ['Q6_K', 576], ['Q4_K', 1024], ['Q8_0', 576], ['Q4_K', 20], ['Q8_0', 20], ['BF16', 20]].map(([t, n]) => fittingType(t as never, n as number)),
    ['Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q8_0', 'F16', 'F16', 'BF16']);
  const source = openExportSource(withTokenizer('tiny/llama')), path = join(place, 'fallback.gguf'), { fallbacks, tensors } = await exportGguf(source, path, 'Q4_K');
  assert.ok(fallbacks.length > 0 && fallbacks.every((f) => f.width % 256 !== 0));
  const file = readGguf(path);
  for (const { name, type, bytes } of tensors) assert.deepEqual([file.tensors.get(name)!.dtype, file.tensors.get(name)!.byteLength], [type, bytes]);
  file.close();
  source.close();
});
