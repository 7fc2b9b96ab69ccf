import { test } from 'node:test';
import assert from 'node:assert/strict';
import { curvesSvg, niceTicks } from './curves.ts';
import type { MetricsRow } from '../runs/run-folder-metrics.ts';

const rows: MetricsRow[] = Array.from({ length: 3000 }, (_, i) => ({
  step: i + 1, stage: i < 2000 ? 'sft' : 'grpo', loss: 3 * Math.exp(-i / 500) + 0.1 * Math.sin(i),
  ...(i >= 2000 && { reward: 0.4 + (i - 2000) / 2500, length: 40 + i / 100, length_right: 38, length_wrong: 60 }), ...(i % 500 === 499 && { heldout_loss: 1 }),
}));

test('the same rows give the same bytes, small and well formed', () => {
  const svg = curvesSvg(rows, { title: 'quick <start> & "co"' });
  assert.equal(svg, curvesSvg(structuredClone(rows), { title: 'quick <start> & "co"' }));
  assert.ok(Buffer.byteLength(svg) < 40_000, `${Buffer.byteLength(svg)} bytes`);
  assert.ok(!/NaN|Infinity|undefined/.test(svg));
  assert.match(svg, /prefers-color-scheme:dark/);
  assert.match(svg, /quick &lt;start&gt; &amp; &quot;co&quot;/);
  for (const title of ['loss', 'reward', 'answer length']) assert.match(svg, new RegExp(`class="name"[^>]*>${title}`));
  // Every element is closed: the reader of an SVG is an XML parser.
  const opened = svg.match(/<(svg|style|text)\b/g)!.length;
  assert.equal(svg.match(/<\/(svg|style|text)>/g)!.length, opened);
});

test('no rows, one row, a flat line and gaps are drawn without trouble', () => {
  assert.match(curvesSvg([]), /no measurements yet/);
  for (const few of [[{ step: 0, loss: 2 }], [{ step: 1, loss: 2 }, { step: 2, loss: 2 }], [{ step: 1, loss: null }, { step: 5, loss: 2.5 }, { step: 9, reward: 1 }]] as MetricsRow[][]) {
    assert.ok(!/NaN|Infinity/.test(curvesSvg(few)));
  }
});

test('ticks are round and span the range', () => {
  assert.deepEqual(niceTicks(0, 1, 4), [0, 0.25, 0.5, 0.75, 1]);
  assert.deepEqual(niceTicks(0.13, 3.2, 4), [0, 1, 2, 3, 4]);
  assert.deepEqual(niceTicks(0, 1e6, 4).at(-1), 1e6);
  assert.ok(niceTicks(5, 5, 4).length >= 2);
});
