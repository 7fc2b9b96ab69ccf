// Mutated safetensors and GGUF files: whatever the bytes, a reader either opens them or throws a TiefsucheError, and it
// never allocates more than 64 MB above the file's size. Seeded, so a failure can be repeated; the seed is in the name.
// TIEFSUCHE_FUZZ_CASES sets the number of files per format (test/long/fuzz-formats.test.ts asks for many).

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isTiefsucheError } from '../../errors.ts';
import { buildGguf, type TypedValue } from './gguf-build.ts';
import { openGgufModel } from './gguf-model.ts';
import { readGguf } from './gguf.ts';
import { readSafetensors } from './safetensors.ts';
import type { TensorSource } from './tensor-source.ts';

const cases = Number(process.env['TIEFSUCHE_FUZZ_CASES'] ?? 300), seed = Number(process.env['TIEFSUCHE_FUZZ_SEED'] ?? 20260309);
const allowance = 64 << 20;
const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-fuzz-'));
after(() => rmSync(folder, { recursive: true }));

/** A small generator with a seed (xorshift32). */
function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0 || 1;
  return (below) => {
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state % below;
  };
}

function safetensorsSeeds(): Buffer[] {
  const file = (header: string, data: number): Buffer => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data, 0x3f)]);
  };
  const types: [string, number][] = [['F32', 4], ['BF16', 2], ['F16', 2], ['I64', 8], ['BOOL', 1], ['F8_E4M3', 1], ['C64', 8]];
  let at = 0;
  const many = types.map(([dtype, width], i) => `"layer.${i}.weight":{"dtype":"${dtype}","shape":[2,3],"data_offsets":[${at},${at += 6 * width}]}`);
  return [
    file(`{"__metadata__":{"format":"pt","\\u00e4":"\\n"},${many.join(',')}}   `, at),
    file('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0,9],"data_offsets":[4,4]}}', 4), file('{}', 0),
  ];
}

function ggufSeeds(): Buffer[] {
  const letters = Array.from({ length: 40 }, (_, i) => (i === 0 ? '<s>' : String.fromCharCode(0x60 + i))), hidden = 32;
  const metadata = new Map<string, TypedValue>([
    ['general.architecture', { type: 'string', value: 'llama' }], ['general.alignment', { type: 'u32', value: 32 }],
    ...(['block_count', 'attention.head_count', 'attention.head_count_kv'] as const).map((k): [string, TypedValue] => [`llama.${k}`, { type: 'u32', value: 1 }]),
    ...(['context_length', 'embedding_length', 'feed_forward_length'] as const).map((k): [string, TypedValue] => [`llama.${k}`, { type: 'u32', value: hidden }]),
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }], ['x.bool', { type: 'bool', value: true }], ['x.u64', { type: 'u64', value: 7n }],
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }], ['tokenizer.ggml.pre', { type: 'string', value: 'smollm' }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: [...letters, 'ab', 'abc'] }], ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: Array(42).fill(1) }],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: ['a b', 'ab c'] }], ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 0 }],
  ]);
  const tensor = (name: string, shape: number[], dtype: string, perRow: number) =>
    ({ name, shape, dtype, bytes: new Uint8Array(perRow * (shape.length === 2 ? shape[0]! : 1)).fill(0x11) });
  const square = [hidden, hidden];
  const tensors = [
    tensor('token_embd.weight', [42, hidden], 'Q8_0', 34), tensor('output_norm.weight', [hidden], 'F32', 128), tensor('blk.0.attn_norm.weight', [hidden], 'F32', 128),
    tensor('blk.0.ffn_norm.weight', [hidden], 'BF16', 64), tensor('blk.0.attn_q.weight', square, 'Q4_0', 18), tensor('blk.0.attn_k.weight', square, 'Q4_1', 20),
    ...['attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'].map((n) => tensor(`blk.0.${n}.weight`, square, 'F16', 64)),
  ];
  return [Buffer.from(buildGguf(metadata, tensors)), Buffer.from(buildGguf(metadata)), Buffer.from(buildGguf(new Map([['k', { type: 'array', of: 'string', value: ['a', ''] }]])))];
}

const hugeNumbers = [0n, 1n, 0x7fn, 0xffn, 0xffffn, 0x7fffffffn, 0xffffffffn, 1n << 32n, (1n << 53n) - 1n, 1n << 53n, 1n << 62n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
const jsonScraps = ['"', '{', '}', '[', ']', ',', ':', '-1', '1e308', '9007199254740993', '"__metadata__":', '\\u0000', '\\ud800', 'null', '[[[[[[[[[[', '"__proto__":', '\ufeff', '4294967296,4294967296'];

/** One to four mutations: cut, flip, overwrite by a telling number, splice, insert, repeat, lie about lengths. */
function mutate(seeds: readonly Buffer[], random: (below: number) => number): Buffer {
  let bytes = Buffer.from(seeds[random(seeds.length)]!);
  for (let n = 1 + random(4); n > 0 && bytes.length > 0; n--) {
    // Headers matter most: half of the positions fall into the first 256 bytes.
    const at = random(random(2) ? bytes.length : Math.min(bytes.length, 256));
    switch (random(9)) {
      case 0: bytes = bytes.subarray(0, at); break;
      case 1: bytes[at] = bytes[at]! ^ (1 << random(8)); break;
      case 2: bytes[at] = random(256); break;
      case 3: if (at + 8 <= bytes.length) bytes.writeBigUInt64LE(hugeNumbers[random(hugeNumbers.length)]!, at); break;
      case 4: if (at + 4 <= bytes.length) bytes.writeUInt32LE(Number(hugeNumbers[random(7)]!), at); break;
      case 5: { const other = seeds[random(seeds.length)]!; bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(random(other.length))]); break; }
      case 6: bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(jsonScraps[random(jsonScraps.length)]!), bytes.subarray(at)]); break;
      case 7: { const end = Math.min(bytes.length, at + random(64)); bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]); break; }
      default: if (bytes.length >= 8) bytes.writeBigUInt64LE(BigInt(random(2) ? bytes.length - 8 : random(2 * bytes.length)), [0, 8, 16][random(3)]! % (bytes.length - 7));
    }
    bytes = Buffer.from(bytes);
  }
  return bytes;
}

function readEverything(source: TensorSource): void {
  try {
    for (const name of source.tensors.keys()) {
      source.readBytes(name);
      try { source.readFloat32(name); } catch (error) { if (!isTiefsucheError(error) || error.code !== 'UNSUPPORTED') throw error; }
    }
  } finally {
    source.close();
  }
}

const formats: [string, () => Buffer[], (path: string) => void][] = [
  ['safetensors', safetensorsSeeds, (path) => readEverything(readSafetensors(path))],
  ['gguf', ggufSeeds, (path) => readEverything(readGguf(path))],
  ['gguf-model', ggufSeeds, (path) => { const model = openGgufModel(path); readEverything(model.weights); }],
];

for (const [name, seeds, read] of formats) {
  test(`${cases} mutated ${name} files, seed ${seed}`, (t) => {
    const random = randomFrom(seed), originals = seeds(), path = join(folder, `${name}.bin`);
    for (const [i, original] of originals.entries()) {
      writeFileSync(path, original);
      if (name !== 'gguf-model' || i === 0) read(path);
    }
    const outcomes = new Map<string, number>();
    let most = 0;
    for (let i = 0; i < cases; i++) {
      const bytes = mutate(originals, random);
      writeFileSync(path, bytes);
      const before = process.memoryUsage();
      let outcome = 'opened';
      try { read(path); } catch (error) {
        assert.ok(isTiefsucheError(error), `case ${i}: ${error instanceof Error ? error.stack : String(error)}`);
        assert.ok(error.hint !== undefined && error.message.length < 1000, `case ${i}: ${error.message}`);
        outcome = error.code;
      }
      const now = process.memoryUsage(), used = now.arrayBuffers - before.arrayBuffers + now.heapUsed - before.heapUsed;
      most = Math.max(most, used - bytes.length);
      assert.ok(used < allowance + bytes.length, `case ${i}: ${used} bytes for a file of ${bytes.length}`);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    t.diagnostic(`${name}: ${[...outcomes].map(([k, v]) => `${v} ${k}`).join(', ')}; most memory above file size ${(most / 1e6).toFixed(1)} MB`);
    assert.ok((outcomes.get('FORMAT') ?? 0) > cases / 4 && (outcomes.get('opened') ?? 0) > cases / 100, 'the mutations no longer reach both outcomes');
  });
}
