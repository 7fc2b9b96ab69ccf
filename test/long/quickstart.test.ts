// The quickstart as it is committed, from random weights to its bars: on any machine with FMA it comes to the same bits,
// so what is asserted here holds everywhere or nowhere.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../../src/engine/backends/open.ts';
import { temporaryHome } from '../../src/ledger/testing/sample-run.ts';
import { trainNew } from '../../src/training/train.ts';

const recipes = fileURLToPath(new URL('../../recipes/', import.meta.url));

test('the quickstart reaches its bars: three families at 75 %, the mean at 80, 20 points by reinforcement, 30 by thinking', async (t) => {
  const home = temporaryHome(), backend = openBackend();
  try {
    const { before, after, after_without_thinking: without, families, seconds } = await trainNew(readFileSync(join(recipes, 'quickstart.yaml'), 'utf8'), 'quickstart', recipes, { backend, home });
    const all = Object.entries(families!);
    t.diagnostic(`${before} → ${after}, without thinking ${without}; ${all.map(([name, f]) => `${name} ${f.before} → ${f.after}`).join(', ')}; ${seconds} s`);
    assert.ok(all.length === 4 && all.every(([, { n }]) => n >= 200), 'four families, 200 problems each');
    assert.ok(all.filter(([, f]) => f.after >= 0.75).length >= 3 && after! >= 0.8);
    assert.ok(after! - before! >= 0.2, 'reinforcement lifts the mean');
    assert.ok(after! - without! >= 0.3, 'the thinking does the work');
  } finally { backend.close(); }
});
