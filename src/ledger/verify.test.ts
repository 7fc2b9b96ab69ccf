import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, hashOf } from './canonical.ts';
import { sampleAttempt, temporaryHome } from './testing/sample-run.ts';
import { verifyLedger } from './verify.ts';

const file = 'attempts/honest-1.1.jsonl';

function ledgerHome(): string {
  const home = temporaryHome();
  sampleAttempt(home, 'honest-1', 5).end({ outcome: 'completed', step: 5, checkpoint_sha256: null, error: null });
  sampleAttempt(home, 'second-1', 1).end({ outcome: 'failed', step: 1, checkpoint_sha256: null, error: { code: 'X', message: 'y' } });
  return home;
}

/** Lets `change` edit the lines of one file and returns what verify says. */
function tamper(name: string, change: (lines: string[]) => string[]): { file: string; line: number | null; what: string }[] {
  const home = ledgerHome();
  assert.deepEqual(verifyLedger(home).problems, []);
  const path = join(home, 'ledger', name);
  writeFileSync(path, change(readFileSync(path, 'utf8').trimEnd().split('\n')).map((l) => `${l}\n`).join(''));
  return verifyLedger(home).problems;
}

test('an honest ledger has nothing to say', () => {
  const { problems, notes, files, records } = verifyLedger(ledgerHome());
  assert.deepEqual([problems, notes, files, records], [[], [], 3, 7 + 3 + 4]);
});

test('a changed number is found at its line', () => {
  for (const [index, line] of [[0, 1], [3, 4], [6, 7]] as const) {
    const found = tamper(file, (lines) => lines.with(index, lines[index]!.replace(/"time":"2/, '"time":"3')));
    assert.ok(found.length >= 1, 'nothing was found');
    assert.ok(found.every((p) => p.file === file && p.line === line), JSON.stringify(found));
  }
});

test('other bytes for the same value are found', () => {
  const found = tamper(file, (lines) => lines.with(2, lines[2]!.replace(':', ': ')));
  assert.match(found[0]!.what, /canonical/);
  assert.equal(found[0]!.line, 3);
});

test('removed, moved, repeated and added lines are found', () => {
  for (const change of [
    (l: string[]) => l.toSpliced(3, 1),
    (l: string[]) => l.with(3, l[4]!).with(4, l[3]!),
    (l: string[]) => l.toSpliced(3, 0, l[3]!),
  ]) {
    const found = tamper(file, change);
    assert.ok(found.some((p) => p.file === file && (p.line === 4 || p.line === 5)), JSON.stringify(found));
  }
});

test('a shortened file is found though its chain is whole', () => {
  const found = tamper(file, (lines) => lines.slice(0, 4));
  assert.match(found[0]!.what, /4 records, but 7 .* removed/);
});

test('a file rewritten with new hashes is found by the index', () => {
  const found = tamper(file, (lines) => {
    let prev = '0'.repeat(64);
    return lines.map((line, i) => {
      const record = JSON.parse(line) as Record<string, unknown>;
      const text = canonicalJson({ ...record, prev, ...(i === 3 && { seconds: 1 }) });
      prev = hashOf(text);
      return text;
    });
  });
  assert.deepEqual(found.map((p) => p.line), [7]);
  assert.match(found[0]!.what, /index/);
});

test('a removed file, an unknown file, a cut index and a lost index are found', () => {
  const removed = ledgerHome();
  rmSync(join(removed, 'ledger', file));
  assert.match(verifyLedger(removed).problems[0]!.what, /missing/);

  const added = ledgerHome();
  writeFileSync(join(added, 'ledger/attempts/extra-1.1.jsonl'), '');
  assert.match(verifyLedger(added).problems[0]!.what, /does not know this file/);

  assert.match(tamper('index.jsonl', (lines) => lines.slice(2))[0]!.what, /record 2, but record 0 belongs here/);
  assert.ok(tamper('index.jsonl', (lines) => lines.slice(0, 1)).some((p) => /does not know/.test(p.what)));

  const lost = ledgerHome();
  rmSync(join(lost, 'ledger/index.jsonl'));
  assert.match(verifyLedger(lost).problems[0]!.what, /index is missing/);
});

test('every single changed byte is found', () => {
  const home = ledgerHome();
  const path = join(home, 'ledger', file);
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; at += 41) {
    const changed = Buffer.from(bytes);
    changed[at] = changed[at]! ^ 1;
    writeFileSync(path, changed);
    assert.ok(verifyLedger(home).problems.length > 0, `byte ${at} changed unseen`);
  }
});
