import { test } from 'node:test';
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from './canonical.ts';
import { ChainWriter, genesis, readChain } from './chain-file.ts';
import { temporaryHome } from './testing/sample-run.ts';

const end = { outcome: 'failed', step: 1, checkpoint_sha256: null, error: { code: 'X', message: 'käse 🧀 "quoted"\n' }, closed_by: 'self' } as const;

function chainOf(records: number): string {
  const path = join(temporaryHome(), 'a.jsonl');
  const chain = ChainWriter.create(path);
  for (let i = 0; i < records; i++) chain.append('run.end', { ...end, step: i });
  chain.close();
  return path;
}

test('each record holds the hash of the line before, and lines are canonical', () => {
  const { lines, torn } = readChain(chainOf(3));
  assert.equal(lines.length, 3);
  assert.equal(torn.length, 0);
  assert.equal(lines[0]!.record!.prev, genesis);
  assert.equal(lines[1]!.record!.prev, lines[0]!.sha256);
  assert.equal(lines[2]!.record!.prev, lines[1]!.sha256);
  for (const line of lines) assert.equal(canonicalJson(line.record), line.text);
});

test('a last line torn at any byte is cut off, whole records stay, and the repair is on record', () => {
  const path = chainOf(3);
  const whole = readFileSync(path);
  const secondEnd = whole.indexOf(10, whole.indexOf(10) + 1) + 1;
  for (let cut = secondEnd + 1; cut < whole.length - 1; cut += 7) {
    writeFileSync(path, whole.subarray(0, cut));
    ChainWriter.open(path).close();
    const { lines, torn } = readChain(path);
    assert.equal(torn.length, 0);
    assert.equal(lines.length, 3);
    assert.deepEqual(readFileSync(path).subarray(0, secondEnd), whole.subarray(0, secondEnd));
    const repair = lines[2]!.record!;
    assert.equal(repair.event, 'ledger.repair');
    assert.equal(repair.event === 'ledger.repair' && repair.bytes_dropped, cut - secondEnd);
    assert.equal(repair.prev, lines[1]!.sha256);
  }
});

test('a whole last record without its newline is kept', () => {
  const path = chainOf(3);
  const whole = readFileSync(path);
  truncateSync(path, whole.length - 1);
  const chain = ChainWriter.open(path);
  assert.equal(chain.count, 3);
  chain.close();
  assert.deepEqual(readFileSync(path), whole);
});

test('zeros after a power cut, and bytes that are not UTF-8, count as torn', () => {
  for (const garbage of [Buffer.alloc(512), Buffer.from([0x7b, 0xff, 0xfe, 0xc3])]) {
    const path = chainOf(2);
    const whole = readFileSync(path);
    appendFileSync(path, garbage);
    ChainWriter.open(path).close();
    assert.deepEqual(readFileSync(path).subarray(0, whole.length), whole);
    assert.equal(readChain(path).lines.length, 3);
  }
});

test('a file has one beginning', () => {
  const path = chainOf(1);
  assert.throws(() => ChainWriter.create(path), { code: 'LEDGER' });
  writeFileSync(path, '');
  assert.equal(ChainWriter.open(path).count, 0);
});

test('what JSON cannot write is refused, and the file is untouched', () => {
  const path = chainOf(1);
  const before = readFileSync(path);
  const chain = ChainWriter.open(path);
  assert.throws(() => chain.append('run.end', { ...end, step: Number.NaN }), { code: 'LEDGER' });
  assert.deepEqual(readFileSync(path), before);
});
