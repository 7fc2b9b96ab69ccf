import { test } from 'node:test';
import assert from 'node:assert/strict';
import { bytes, clip, digits, duration, energy, grams, money, si, table, wrap } from './figures.ts';
import { openProgress } from './progress.ts';
import { visibleLength, withoutColour } from './terminal.ts';

// A dumb terminal gets plain lines, whatever else it is.
process.env['TERM'] = 'xterm';

function run(isTTY: boolean, columns: number, total: number | null): string[] {
  const written: string[] = [];
  let clock = 0;
  const progress = openProgress({ label: 'sft', total, unit: 'steps', now: () => clock, stream: { isTTY, columns, write: (t) => written.push(t) } });
  for (let step = 0; step <= 1000; step += 5, clock += 50) progress.update(step, `loss ${(3 / (1 + step)).toFixed(2)}`);
  progress.finish('sft done');
  return written;
}

test('off a terminal: a plain line every few seconds', () => {
  const lines = run(false, 0, 1000);
  assert.deepEqual(lines.map((l) => l.trimEnd()), [
    'sft · 20 % · 200/1,000 steps · 100/s · 8 s left · loss 0.01',
    'sft · 70 % · 700/1,000 steps · 100/s · 3 s left · loss 0.00',
    'sft done',
  ]);
});

test('on a terminal: one line that never grows wider than the screen and is cleared at the end', () => {
  for (const columns of [120, 80, 50, 30, 12]) {
    const written = run(true, columns, 1000);
    assert.ok(written.length > 50 && written.length < 110, String(written.length));
    for (const text of written.slice(0, -2)) {
      assert.match(text, /^\r.*\x1b\[K$/);
      assert.ok(visibleLength(text.slice(1, -3)) < columns, withoutColour(text));
    }
    assert.equal(written.at(-2), '\r\x1b[K');
    assert.equal(written.at(-1), 'sft done\n');
  }
  assert.match(withoutColour(run(true, 80, 1000)[40]!), /^\rsft ━+╸?─+ {2}\d+\/1,000 steps · 100\/s · [\d.]+ s left {2}loss/);
  assert.ok(!run(true, 80, null).some((l) => l.includes('━') || l.includes('left')));
});

test('what is over at once draws nothing', () => {
  const written: string[] = [];
  const progress = openProgress({ label: 'x', total: 10, unit: 'steps', now: () => 0, stream: { isTTY: true, write: (t) => written.push(t) } });
  for (let i = 0; i <= 10; i++) progress.update(i);
  progress.finish();
  assert.deepEqual(written, []);
});

test('numbers read as people write them', () => {
  assert.deepEqual([0, 7, 1234, 12_345, 1.5e6, 3.2e18, 0.25].map(si), ['0', '7', '1,234', '12.3 k', '1.5 M', '3.2 E', '0.25']);
  assert.deepEqual([0.04, 9.96, 61, 3600, 7500, 200_000].map(duration), ['0 s', '10 s', '1 min 1 s', '1 h 0 min', '2 h 5 min', '2 d 7 h']);
  assert.deepEqual([0, 1e-7, 0.0005, 0.02, 1.234].map(energy), ['0 J', '0.36 J', '1,800 J', '20 Wh', '1.23 kWh']);
  assert.deepEqual([0, 0.0012, 0.25, 1234.5].map(money), ['0 €', '0.12 ct', '25 ct', '1,234.5 €']);
  assert.deepEqual([0.5, 1500].map(grams), ['0.5 g', '1.5 kg']);
  assert.deepEqual([512, 2048, 3 * 2 ** 30].map(bytes), ['512 B', '2 KiB', '3 GiB']);
  assert.deepEqual([1e-7, 0.00012, 1234.5].map(digits), ['1.0e-7', '0.00012', '1,235']);
  assert.equal(table([{ title: 'a' }, { title: 'n', align: 'right' }], [['grüße', '1'], ['日本', '100']]), 'a        n\ngrüße    1\n日本   100');
  assert.deepEqual(wrap('one two three four five six seven eight', 30, 2), ['one two three four five six', '  seven eight']);
  assert.equal(clip('abcdef', 4), 'abc…');
});
