// FP8 weights in blocks against torch (test/fixtures/make-fp8.py), whole and in part; what does not fit is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withoutFp8 } from './fp8-blocks.ts';
import { openModelFolder } from './hf-folder.ts';
import { readSafetensors } from './safetensors.ts';

const folder = fileURLToPath(new URL('../../../test/fixtures/fp8', import.meta.url));

test('weights are their FP8 values times the scale of their block, and no scales are left over', () => {
  const files = openModelFolder(folder), expected = readSafetensors(`${folder}/expected.safetensors`);
  assert.deepEqual([...files.weights.tensors.keys()].sort(), [...expected.tensors.keys()].sort());
  for (const name of expected.tensors.keys()) assert.deepEqual(files.weights.readFloat32(name), expected.readFloat32(name), name);
  assert.deepEqual(files.weights.readFloat32('edges.weight', 25_700, 250), expected.readFloat32('edges.weight', 25_700, 250));
  assert.ok(!('quantization_config' in files.config), 'what is written from it is not FP8');
  files.close();
  expected.close();
});

test('missing or other scales and other quantisations are refused', () => {
  const source = readSafetensors(`${folder}/model.safetensors`), fp8 = { quant_method: 'fp8', weight_block_size: [128, 128] };
  const without = { ...source, tensors: new Map([...source.tensors].filter(([name]) => name !== 'edges.weight_scale_inv')) };
  assert.throws(() => withoutFp8('x', without, fp8), /without its scales "edges.weight_scale_inv"/);
  assert.throws(() => withoutFp8('x', source, { ...fp8, weight_block_size: [64, 64] }), /its blocks are/);
  assert.throws(() => withoutFp8('x', source, { quant_method: 'gptq' }), /quantised as "gptq"/);
  source.close();
});
