// GGUF: every value type, tensors, the llama mapping, GPT-2's real vocabulary, and every rule broken once.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { isTiefsucheError } from '../../errors.ts';
import { loadTokenizer } from '../../tokenizer/tokenizer.ts';
import { buildGguf, type GgufTensorToBuild, type TypedValue } from './gguf-build.ts';
import { shortestDecimal } from './gguf-config.ts';
import { openGgufModel } from './gguf-model.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { readGguf } from './gguf.ts';

const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-gguf-'));
after(() => rmSync(folder, { recursive: true }));
const place = (bytes: Uint8Array): string => { const path = join(folder, 'case.gguf'); writeFileSync(path, bytes); return path; };
const data = new URL('../../../test/data/', import.meta.url);
const f32 = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
const string = (value: string): TypedValue => ({ type: 'string', value });
const u32 = (value: number): TypedValue => ({ type: 'u32', value });

test('all value types are read', () => {
  const file = readGguf(place(buildGguf(new Map<string, TypedValue>([
    ['a', { type: 'u8', value: 200 }], ['b', { type: 'i8', value: -3 }], ['c', { type: 'u16', value: 60000 }], ['d', { type: 'i16', value: -300 }],
    ['e', u32(4e9)], ['f', { type: 'i32', value: -5 }], ['g', { type: 'f32', value: 0.5 }], ['h', { type: 'bool', value: true }], ['i', string('Grüße')],
    ['j', { type: 'u64', value: 2n ** 63n }], ['k', { type: 'i64', value: -7n }], ['l', { type: 'f64', value: 0.1 }],
    ['m', { type: 'array', of: 'string', value: ['x', '', 'ß'] }], ['n', { type: 'array', of: 'i32', value: [1, -2] }], ['o', { type: 'array', of: 'bool', value: [true, false] }],
  ]))));
  assert.deepEqual([...file.metadata.values()], [200, -3, 60000, -300, 4e9, -5, 0.5, true, 'Grüße', 2n ** 63n, -7, 0.1, ['x', '', 'ß'], Int32Array.of(1, -2), [true, false]]);
  file.close();
});

test('tensors have their shape reversed, and any part of a quantised one can be read', () => {
  const q8 = new Uint8Array(2 * 34).map((_, i) => (i % 34 < 2 ? [0, 0x3c][i % 34]! : i)); // scale 1
  const file = readGguf(place(buildGguf(new Map(), [
    { name: 'w', shape: [2, 3], dtype: 'F32', bytes: f32([1, 2, 3, 4, 5, 6]) }, { name: 'q', shape: [1, 64], dtype: 'Q8_0', bytes: q8 },
  ])));
  assert.deepEqual(file.tensors.get('w')!.shape, [2, 3]);
  assert.deepEqual([...file.readFloat32('w', 1, 3)], [2, 3, 4]);
  const all = file.readFloat32('q');
  assert.equal(all[0], 2);
  assert.deepEqual([...file.readFloat32('q', 30, 5)], [...all.slice(30, 35)]);
  assert.deepEqual([...file.readFloat32('q', 64, 0)], []);
  assert.deepEqual(file.readBytes('q'), q8);
  file.close();
});

function patched(bytes: Uint8Array, at: number, value: bigint, width: 4 | 8): Uint8Array {
  const copy = Buffer.from(bytes);
  if (width === 8) copy.writeBigUInt64LE(value, at); else copy.writeUInt32LE(Number(value), at);
  return copy;
}

const small = buildGguf(new Map([['k', string('v')]]), [{ name: 't', shape: [8], dtype: 'F32', bytes: f32([1, 2, 3, 4, 5, 6, 7, 8]) }]);
// Layout of `small`: 24 head · key: 8+1, type 4, value 8+1 → 46 · tensor: name 8+1, rank 4 @55, dim 8 @59, type 4 @67, offset 8 @71 → 79.
const broken: readonly [string, Uint8Array, RegExp, ('FORMAT' | 'UNSUPPORTED')?][] = [
  ['an empty file', new Uint8Array(0), /does not begin/],
  ['another magic', patched(small, 0, 0x12345678n, 4), /does not begin/],
  ['version 1', patched(small, 4, 1n, 4), /version 1/, 'UNSUPPORTED'],
  ['a big-endian file', patched(small, 4, 0x03000000n, 4), /big-endian/, 'UNSUPPORTED'],
  ['2^60 tensors', patched(small, 8, 1n << 60n, 8), /absurdly|claims/],
  ['a billion tensors', patched(small, 8, 1_000_000_000n, 8), /claims 1000000000 tensors/],
  ['2^64-1 keys', patched(small, 16, (1n << 64n) - 1n, 8), /absurdly/],
  ['a string longer than the file', patched(small, 37, 1n << 40n, 8), /claims/],
  ['an unknown value type', patched(small, 33, 13n, 4), /unknown type 13/],
  ['five dimensions', patched(small, 55, 5n, 4), /5 dimensions/],
  ['a huge dimension', patched(small, 59, (1n << 52n) + 1n, 8), /too large/],
  ['a dimension beyond the file', patched(small, 59, 1000n, 8), /ends at byte/],
  ['an unknown tensor type', patched(small, 67, 99n, 4), /unknown tensor type 99/],
  ['rows that do not fill blocks', patched(small, 67, 3n, 4), /do not fill/],
  ['a crooked offset', patched(small, 71, 8n, 8), /not a multiple of 32/],
  ['an offset beyond the file', patched(small, 71, 1n << 50n, 8), /ends at byte/],
  ['a truncated file', small.subarray(0, 100), /ends at byte/],
  ['a truncated header', small.subarray(0, 60), /claims|ends at byte/],
  ['a wrong alignment', buildGguf(new Map([['general.alignment', u32(7)]])), /power of two/],
  ['a boolean of 2', buildGguf(new Map([['k', { type: 'bool', value: 2 } as unknown as TypedValue]])), /boolean with the value 2/],
  ['two equal tensors', buildGguf(new Map(), [1, 2].map(() => ({ name: 't', shape: [8], dtype: 'F32', bytes: new Uint8Array(32) }))), /stands twice/],
];
for (const [what, bytes, message, code = 'FORMAT'] of broken) {
  test(`refused: ${what}`, () => {
    assert.throws(() => readGguf(place(bytes)), (e) => isTiefsucheError(e) && e.code === code && message.test(e.message) && e.hint !== undefined);
  });
}

test('refused: overlapping tensors, duplicate keys, deep arrays', () => {
  const two = Buffer.from(buildGguf(new Map(), ['a', 'b'].map((name) => ({ name, shape: [16], dtype: 'F32', bytes: new Uint8Array(64) }))));
  two.writeBigUInt64LE(32n, 24 + 33 + 25); // second tensor's offset: 64 becomes 32
  assert.throws(() => readGguf(place(two)), /overlaps/);
  const twice = Buffer.concat([buildGguf(new Map([['k', string('v')]])).subarray(0, 46), buildGguf(new Map([['k', string('v')]])).subarray(24, 46), Buffer.alloc(32)]);
  twice.writeBigUInt64LE(2n, 16);
  assert.throws(() => readGguf(place(twice)), /stands twice/);
  const deep = Buffer.concat([buildGguf(new Map([['k', u32(0)]])).subarray(0, 37), ...Array.from({ length: 9 }, () => Buffer.from([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])), Buffer.alloc(64)]);
  deep.writeUInt32LE(9, 33);
  assert.throws(() => readGguf(place(deep)), /nests arrays/);
});

test("GPT-2's vocabulary gives llama.cpp's and transformers' ids", () => {
  const path = join(folder, 'gpt-2.gguf');
  writeFileSync(path, gunzipSync(readFileSync(new URL('gpt-2-vocab/ggml-vocab-gpt-2.gguf.gz', data))));
  const file = readGguf(path), { tokenizerJson, tokenizerConfig } = ggufTokenizer(file), tokenizer = loadTokenizer(tokenizerJson, tokenizerConfig);
  const texts = readFileSync(new URL('gpt-2-vocab/ggml-vocab-gpt-2.gguf.inp', data), 'utf8').split('\n__ggml_vocab_test__\n');
  const ids = readFileSync(new URL('gpt-2-vocab/ggml-vocab-gpt-2.gguf.out', data), 'utf8').split('\n');
  assert.ok(texts.length > 40);
  texts.forEach((text, i) => assert.equal([...tokenizer.encode(text)].join(' '), ids[i]!.trim(), JSON.stringify(text)));
  const goldens = JSON.parse(readFileSync(new URL('gpt-2-vocab/goldens.json', data), 'utf8')) as Record<string, { text: string; ids: number[] }>;
  assert.ok(Object.keys(goldens).length > 20);
  for (const [name, { text, ids: want }] of Object.entries(goldens)) {
    assert.deepEqual([...tokenizer.encode(text)], want, name);
    assert.equal(tokenizer.decode(want), text, name);
  }
  assert.equal(tokenizer.specialTokens.eos, 50256);
  file.close();
});

// A llama of two layers, 2 heads of 4, 1 key head, written with q and k permuted as llama.cpp does.
function tinyLlama(changes: readonly (readonly [string, TypedValue])[] = []): { bytes: Uint8Array; q: number[] } {
  const hidden = 8, q = Array.from({ length: 64 }, (_, i) => i);
  // One row per number: Hugging Face row r = head * 4 + t * 2 + j lands at head * 4 + 2 j + t.
  const permuted = (values: number[], rows: number): number[] => {
    const out: number[] = [];
    for (let r = 0; r < rows; r++) {
      const head = Math.floor(r / 4) * 4, at = r % 4, source = head + (at % 2) * 2 + Math.floor(at / 2);
      out.push(...values.slice(source * hidden, source * hidden + hidden));
    }
    return out;
  };
  const tensor = (name: string, shape: number[], values?: number[]): GgufTensorToBuild =>
    ({ name, shape, dtype: 'F32', bytes: f32(values ?? Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 7)) });
  const tensors = [tensor('token_embd.weight', [260, hidden]), tensor('output_norm.weight', [hidden])];
  for (const layer of [0, 1]) {
    const t = (name: string, shape: number[], values?: number[]): void => { tensors.push(tensor(`blk.${layer}.${name}.weight`, shape, values)); };
    t('attn_norm', [hidden]); t('ffn_norm', [hidden]); t('attn_q', [8, hidden], permuted(q, 8)); t('attn_k', [4, hidden], permuted(q.slice(0, 32), 4));
    t('attn_v', [4, hidden]); t('attn_output', [hidden, 8]); t('ffn_gate', [16, hidden]); t('ffn_up', [16, hidden]); t('ffn_down', [hidden, 16]);
  }
  const letters = Array.from({ length: 260 }, (_, i) => (i === 0 ? '<s>' : i === 1 ? '</s>' : String.fromCodePoint(0x100 + i)));
  const metadata = new Map<string, TypedValue>([
    ['general.architecture', string('llama')], ['llama.block_count', u32(2)], ['llama.context_length', u32(128)], ['llama.embedding_length', u32(hidden)],
    ['llama.feed_forward_length', u32(16)], ['llama.attention.head_count', u32(2)], ['llama.attention.head_count_kv', u32(1)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }], ['llama.rope.freq_base', { type: 'f32', value: 1e5 }],
    ['tokenizer.ggml.model', string('gpt2')], ['tokenizer.ggml.pre', string('smollm')], ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: letters }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: letters.map((_, i) => (i < 2 ? 3 : 1)) }], ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: [] }],
    ['tokenizer.ggml.bos_token_id', u32(0)], ['tokenizer.ggml.eos_token_id', u32(1)], ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
    ['tokenizer.chat_template', string('{{ messages[0].content }}')], ...changes,
  ]);
  return { bytes: buildGguf(metadata, tensors), q };
}

test('a llama file becomes a Hugging Face model, q and k un-permuted', () => {
  const { bytes, q } = tinyLlama(), model = openGgufModel(place(bytes));
  assert.equal(model.config.model_type, 'llama');
  assert.deepEqual([model.config['rms_norm_eps'], model.config['rope_theta'], model.config['num_key_value_heads'], model.config['head_dim'], model.config['vocab_size'], model.config['tie_word_embeddings']],
    [1e-5, 1e5, 1, 4, 260, true]);
  assert.deepEqual([...model.weights.readFloat32('model.layers.1.self_attn.q_proj.weight')], q);
  assert.deepEqual([...model.weights.readFloat32('model.layers.1.self_attn.q_proj.weight', 9, 3)], [9, 10, 11]);
  assert.deepEqual([...new Float32Array(model.weights.readBytes('model.layers.0.self_attn.k_proj.weight').buffer)], q.slice(0, 32));
  assert.equal(model.weights.tensors.size, 2 + 18);
  assert.deepEqual(model.generationConfig, { bos_token_id: 0, eos_token_id: 1 });
  assert.equal(model.chatTemplate, '{{ messages[0].content }}');
  const tokenizer = loadTokenizer(model.tokenizerJson!, model.tokenizerConfig);
  assert.deepEqual([...tokenizer.encode('</s>', { addSpecialTokens: true })], [0, 1]);
  model.close();
});

test('keys with values of other types are refused, never believed', () => {
  const odd: TypedValue[] = [{ type: 'u64', value: 1n << 63n }, { type: 'array', of: 'u8', value: Array(200).fill(7) }, { type: 'array', of: 'string', value: ['a'] },
    { type: 'f32', value: NaN }, string('x'.repeat(500))];
  for (const key of ['general.architecture', 'general.alignment', 'llama.block_count', 'llama.attention.head_count', 'llama.attention.layer_norm_rms_epsilon', 'llama.rope.scaling.type',
    'tokenizer.ggml.model', 'tokenizer.ggml.pre', 'tokenizer.ggml.tokens', 'tokenizer.ggml.token_type', 'tokenizer.ggml.merges', 'tokenizer.ggml.bos_token_id']) {
    for (const value of odd) {
      const path = place(tinyLlama([[key, value]]).bytes);
      assert.throws(() => openGgufModel(path), (e) => isTiefsucheError(e) && ['FORMAT', 'UNSUPPORTED'].includes(e.code) && e.message.length < 400, `${key} ${value.type}`);
    }
  }
});

test('other architectures are refused by name', () => {
  const path = place(buildGguf(new Map([['general.architecture', string('mamba')]])));
  assert.throws(() => openGgufModel(path), (e) => isTiefsucheError(e) && e.code === 'UNSUPPORTED' && /mamba/.test(e.message));
});

test('f32 values print as the decimals they were', () => {
  for (const value of [1e-5, 1e-6, 10000, 500000, 0.02, 1 / 3]) assert.equal(Math.fround(shortestDecimal(Math.fround(value))), Math.fround(value));
  assert.equal(shortestDecimal(Math.fround(1e-5)), 1e-5);
  assert.equal(shortestDecimal(16777216), 16777216);
});
