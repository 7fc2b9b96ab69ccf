// Every architecture stands in docs/models.md, every row there is one; unknown types are refused with the list of known ones.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isTiefsucheError } from '../errors.ts';
import { ggufArchitectures } from './formats/gguf-architectures.ts';
import { architectureOf, architectures } from './index.ts';

test('docs/models.md lists what loads', () => {
  const rows = [...readFileSync(new URL('../../docs/models.md', import.meta.url), 'utf8').matchAll(/^\| `(\w+)` \| [^|]+ \|([^|]*)\|/gm)];
  assert.deepEqual(rows.map(([, type]) => type).sort(), architectures.map((a) => a.modelType).sort());
  for (const [, type, gguf] of rows) assert.equal(/`(\w+)`/.exec(gguf!)?.[1], ggufArchitectures.find((a) => a.modelType === type)?.name, type);
});

test('an unknown type is refused with the list of known ones', () => {
  assert.throws(() => architectureOf('mamba'), (e) => isTiefsucheError(e) && e.code === 'UNSUPPORTED' && /"mamba"/.test(e.message) && architectures.every((a) => e.hint!.includes(a.modelType)));
});
