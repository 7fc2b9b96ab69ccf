// Rows that the backend reads out of a file itself lie as panels-from-files.ts lays them, for every type: from the first row
// of a panel and from within one, in GGUF's order for rotations, and in several pieces; what is no number is noticed.

import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { storedTypes, widened } from './file-rows.ts';
import { compressedBytes, compressedTypes, halfValue } from './panels.ts';
import { intoPanels } from './panels-from-files.ts';

const place = mkdtempSync(join(tmpdir(), 'tiefsuche-rows-')), path = join(place, 'file');
after(() => rmSync(place, { recursive: true, force: true }));

const sizes: Readonly<Record<string, readonly [values: number, bytes: number, ...scales: number[]]>> = {
  F32: [1, 4], F16: [1, 2], BF16: [1, 2], Q4_0: [32, 18, 0], Q4_1: [32, 20, 0, 2], Q5_0: [32, 22, 0], Q5_1: [32, 24, 0, 2], Q8_0: [32, 34, 0],
  Q4_K: [256, 144, 0, 2], Q5_K: [256, 176, 0, 2], Q6_K: [256, 210, 208], MXFP4: [32, 17],
};

/** Arbitrary bytes whose numbers are finite. */
function rowsOf(fileType: string, rows: number, K: number): { bytes: Uint8Array<ArrayBuffer>; rowBytes: number } {
  const [values, size, ...scales] = sizes[fileType]!, rowBytes = (K / values) * size, bytes = Uint8Array.from({ length: rows * rowBytes }, (_, i) => (i * 2654435761 + (i >> 3) * 40503) >>> 11 & 255);
  for (let b = 0; b < bytes.length; b += size) {
    if (fileType === 'MXFP4') bytes[b] = 100 + (b % 40);
    for (const at of values === 1 ? [size - 2] : scales) bytes[b + at + 1]! &= 0xbb; // an exponent that is not all ones
  }
  return { bytes, rowBytes };
}

/** The rows in the order that a model wants where the file has GGUF's. */
function turned(bytes: Uint8Array, rowBytes: number, D: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  for (let r = 0; r < bytes.length / rowBytes; r++) {
    const at = r % D, from = r - at + 2 * (at % (D / 2)) + Math.floor(at / (D / 2));
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), r * rowBytes);
  }
  return out;
}

/** Runs `work` with a file of 24 other bytes and these. */
function withFile(bytes: Uint8Array, work: (fd: number) => void): void {
  writeFileSync(path, Buffer.concat([Buffer.alloc(24, 0xff), bytes]));
  const fd = openSync(path, 'r');
  try { work(fd); } finally { closeSync(fd); }
}

const backend = nativeBuilt() ? new CpuBackend() : null;

for (const fileType of backend?.fill ? storedTypes : []) test(`${fileType}: read natively as in TypeScript`, () => {
  const K = fileType.endsWith('_K') ? 512 : sizes[fileType]![0] === 1 ? 75 : 96;
  for (const [rows, first, headDim] of [[48, 0, 0], [37, 0, 0], [20, 7, 0], [48, 0, 12], [24, 3, 6], [2100, 0, 0]] as const) {
    const { bytes, rowBytes } = rowsOf(fileType, rows, K), wanted = headDim === 0 ? bytes : turned(bytes, rowBytes, headDim), about = { position: 24, fileType, rows, K, first, headDim };
    withFile(bytes, (fd) => {
      if (Object.hasOwn(compressedTypes, fileType)) {
        const size = compressedBytes(compressedTypes[fileType]!, first + rows, K), expected = new Uint8Array(size), got = new Uint8Array(size), buffer = backend!.allocate(64 + size);
        intoPanels(fileType, wanted, K, first, expected);
        assert.equal(backend!.fill!(buffer, 64, { ...about, fd, as: 'panels' }), true);
        backend!.download(buffer, 64, got);
        assert.ok(Buffer.from(got).equals(expected), `${rows} rows from ${first} on, heads of ${headDim}`);
        backend!.free(buffer);
      }
      if (widened(fileType)) {
        const buffer = backend!.allocate((first + rows) * K * 4), got = new Float32Array(rows * K);
        assert.equal(backend!.fill!(buffer, 0, { ...about, fd, as: 'f32' }), true);
        backend!.download(buffer, first * K * 4, got);
        const view = new DataView(wanted.buffer), value = { F32: (i: number) => view.getFloat32(4 * i, true), F16: (i: number) => halfValue(view.getUint16(2 * i, true)), BF16: (i: number) => new Float32Array(Uint32Array.of(view.getUint16(2 * i, true) << 16).buffer)[0]! }[fileType as 'F32'];
        got.forEach((x, i) => assert.ok(Object.is(x, value(i)), `value ${i}`));
        backend!.free(buffer);
      }
    });
  }
});

if (backend?.fill) test('what is no number is noticed, a file that ends too early is an error', () => {
  const buffer = backend.allocate(1 << 20);
  for (const fileType of storedTypes) {
    const K = 256, [values, size, scale = 0] = sizes[fileType]!, { bytes, rowBytes } = rowsOf(fileType, 19, K), spoilt = bytes.slice(), as = widened(fileType) ? 'f32' as const : 'panels' as const;
    const at = 17 * rowBytes + (values === 1 ? 41 * size + size - 2 : scale);
    if (fileType === 'MXFP4') spoilt[at] = 255;
    else { spoilt[at] = 0x80; spoilt[at + 1] = 0x7f; }
    const rows = { position: 24, fileType, rows: 19, K, first: 0, headDim: 0, as };
    withFile(bytes, (fd) => assert.equal(backend.fill!(buffer, 0, { ...rows, fd }), true));
    withFile(spoilt, (fd) => assert.equal(backend.fill!(buffer, 0, { ...rows, fd }), false, fileType));
    withFile(bytes.subarray(0, bytes.length - 1), (fd) => assert.throws(() => backend.fill!(buffer, 0, { ...rows, fd }), { code: 'INPUT', message: /became shorter/ }));
  }
  backend.free(buffer);
});
