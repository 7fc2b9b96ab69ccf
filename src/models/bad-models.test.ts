// Models that are damaged or put together from parts of others: refused by name before they answer nonsense.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../engine/backends/open.ts';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { charTokenizer } from '../tokenizer/char-tokenizer.ts';
import { checkModelFiles } from './check-files.ts';
import { requireFiniteBytes } from './formats/finite.ts';
import { writeSafetensorsFolder } from './formats/safetensors-folder.ts';
import { openLanguageModel } from './language-model.ts';
import { openModelFiles } from './load.ts';

const fixture = fileURLToPath(new URL('../../test/fixtures/tiny/llama/', import.meta.url)), backend = openBackend();

/** The tiny llama (64 rows) with a tokenizer of `letters` tokens; `spoil` changes its weights on the way. */
async function model({ letters = 40, added = [] as string[], dtype = 'F32' as 'F32' | 'BF16', spoil = (_name: string, _data: Float32Array): void => {}, shards = false }): Promise<string> {
  const folder = join(temporaryHome(), 'model'), source = openModelFiles(fixture);
  mkdirSync(folder);
  cpSync(join(fixture, 'config.json'), join(folder, 'config.json'));
  const tensors = [...source.weights.tensors.values()].map(({ name, shape }) => ({ name, shape, dtype, data: () => { const data = source.weights.readFloat32(name); spoil(name, data); return data; } }));
  await writeSafetensorsFolder(folder, tensors, { format: 'pt' }, shards ? 8000 : undefined);
  source.close();
  const { tokenizerJson, tokenizerConfig } = charTokenizer(Array.from({ length: letters }, (_, i) => String.fromCodePoint(0x4e00 + i)), { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
  const more = added.map((content, i) => ({ id: letters + 2 + i, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  const json = tokenizerJson as unknown as { added_tokens: unknown[] };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({ ...json, added_tokens: [...json.added_tokens, ...more] }));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizerConfig));
  return folder;
}

const opened = (folder: string, precision: 'f32' | 'file' = 'f32'): void => { openLanguageModel(backend, folder, { precision }).model.close(); };

test('NaN and infinity in the weights, as f32 and in the bits of the file', async () => {
  const spoilt = (value: number) => (name: string, data: Float32Array): void => { if (name.endsWith('layers.1.mlp.up_proj.weight')) data[5] = value; };
  const nan = await model({ spoil: spoilt(NaN) }), infinite = await model({ dtype: 'BF16', spoil: spoilt(Infinity) });
  opened(await model({}));
  assert.throws(() => opened(nan), { code: 'NUMERICS', message: /layers\.1\.mlp\.up_proj\.weight holds NaN at element 5/ });
  assert.throws(() => opened(infinite, 'file'), { code: 'NUMERICS', message: /up_proj\.weight holds a value that is no number/ });
  assert.throws(() => requireFiniteBytes('w', 'Q8_0', Uint8Array.from({ length: 68 }, (_, i) => (i === 35 ? 0x7c : 0))), { code: 'NUMERICS', message: /block 1/ });
  requireFiniteBytes('w', 'Q8_0', Uint8Array.from({ length: 68 }, (_, i) => (i === 36 ? 0x7c : 0)));
});

test('a tokenizer with more tokens than the embedding has rows; added ones beyond them are tolerated until used', async () => {
  const large = await model({ letters: 70 }), more = await model({ letters: 62, added: ['<image>'] });
  assert.throws(() => opened(large), { code: 'SHAPE', message: /up to id 71, the embedding has 64 rows/ });
  const language = openLanguageModel(backend, more);
  assert.equal(language.tokenizer.encode('一丁').length, 2);
  assert.throws(() => language.tokenizer.encode('一<image>'), { code: 'INPUT', message: /"<image>"/ });
  language.model.close();
});

test('a shard that the index names and the folder lacks, and a weight that no shard has', async () => {
  const folder = await model({ shards: true }), index = join(folder, 'model.safetensors.index.json');
  const { weight_map: map, ...rest } = JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, string> };
  const check = (changed: Record<string, string>): void => {
    writeFileSync(index, JSON.stringify({ ...rest, weight_map: changed }));
    const files = openModelFiles(folder);
    try { checkModelFiles(files); } finally { files.close(); }
  };
  check(map);
  assert.throws(() => check({ ...map, 'model.norm.weight': 'model-00099-of-00099.safetensors' }), { code: 'NOT_FOUND', message: /model-00099-of-00099\.safetensors/ });
  assert.throws(() => check({ ...map, 'model.extra.weight': Object.values(map)[0]! }), { code: 'NOT_FOUND', message: /model\.extra\.weight/ });
});
