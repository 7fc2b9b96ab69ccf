// Model folders: the real tiny model, a saved folder, byte-for-byte repeatability, chat template forms, PEFT adapters.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isTiefsucheError } from '../../errors.ts';
import { charTokenizer } from '../../tokenizer/char-tokenizer.ts';
import { loadTokenizer } from '../../tokenizer/tokenizer.ts';
import { openModelFolder, saveModelFolder } from './hf-folder.ts';
import { readPeftAdapter, savePeftAdapter, type LoraPair } from './peft.ts';
import { writeSafetensors } from './safetensors-write.ts';

const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-folder-'));
after(() => rmSync(folder, { recursive: true }));
const tiny = fileURLToPath(new URL('../../../test/data/tiny-rl-arithmetic-sequence', import.meta.url));

test('the real tiny model opens', () => {
  const model = openModelFolder(tiny);
  assert.equal(model.config.model_type, 'llama');
  assert.equal(model.weights.tensors.size, 39);
  assert.deepEqual(model.weights.tensors.get('lm_head.weight')!.shape, [16, 128]);
  assert.deepEqual([...model.weights.readFloat32('model.norm.weight', 0, 2)], [1, 1]);
  assert.equal(model.generationConfig['eos_token_id'], 1);
  assert.match(model.chatTemplate!, /sep_token/);
  const tokenizer = loadTokenizer(model.tokenizerJson!, model.tokenizerConfig);
  assert.deepEqual([...tokenizer.encode('1,2:S')], [5, 14, 6, 15, 0]);
  assert.equal(tokenizer.specialTokens.eos, model.config['eos_token_id']);
  model.close();
});

const files = charTokenizer(['a', 'b'], { tokens: ['<e>'], eos: '<e>' });
const toSave = (value: number) => ({
  config: { model_type: 'llama', hidden_size: 2, architectures: ['LlamaForCausalLM'] },
  tensors: [{ name: 'x.weight', shape: [2], dtype: 'BF16', data: Float32Array.of(value, 2) }],
  tokenizerJson: files.tokenizerJson, tokenizerConfig: files.tokenizerConfig, generationConfig: { eos_token_id: 0 }, chatTemplate: 'T', files: { 'README.md': '# A' },
});

test('a saved folder is read back, replaces an older one whole, and always has the same bytes', async () => {
  const one = join(folder, 'one'), two = join(folder, 'two');
  await saveModelFolder(one, { ...toSave(9), files: { 'OLD.md': 'old' } });
  await saveModelFolder(one, toSave(1));
  await saveModelFolder(two, toSave(1));
  const names = readdirSync(one).sort();
  assert.deepEqual(names, ['README.md', 'chat_template.jinja', 'config.json', 'generation_config.json', 'model.safetensors', 'special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json']);
  for (const name of names) assert.deepEqual(readFileSync(join(one, name)), readFileSync(join(two, name)), name);
  assert.deepEqual(readdirSync(folder).filter((n) => n.includes('.tmp')), []);
  const model = openModelFolder(one);
  assert.deepEqual([...model.weights.readFloat32('x.weight')], [1, 2]);
  assert.equal(model.chatTemplate, 'T');
  assert.equal(model.tokenizerConfig['eos_token'], '<e>');
  assert.deepEqual(JSON.parse(model.tokenizerJson as string), JSON.parse(JSON.stringify(files.tokenizerJson)));
  model.close();
});

test('a save that fails keeps the older folder', async () => {
  const path = join(folder, 'kept');
  await saveModelFolder(path, toSave(1));
  const failing = { ...toSave(2), tensors: [{ name: 'x', shape: [1], data: (): Float32Array => { throw new Error('no space'); } }] };
  await assert.rejects(saveModelFolder(path, failing), /no space/);
  const model = openModelFolder(path);
  assert.deepEqual([...model.weights.readFloat32('x.weight')], [1, 2]);
  model.close();
  assert.deepEqual(readdirSync(folder).filter((n) => n.includes('.tmp')), []);
});

test('chat templates: the file wins, lists have names', async () => {
  const path = join(folder, 'templates');
  await saveModelFolder(path, { ...toSave(1), chatTemplate: undefined, tokenizerConfig: { chat_template: [{ name: 'default', template: 'D' }, { name: 'tool_use', template: 'U' }] } });
  let model = openModelFolder(path);
  assert.deepEqual([...model.chatTemplates], [['default', 'D'], ['tool_use', 'U']]);
  model.close();
  writeFileSync(join(path, 'chat_template.jinja'), 'J');
  model = openModelFolder(path);
  assert.equal(model.chatTemplate, 'J');
  model.close();
});

test('missing and broken folders say what is wrong', async () => {
  const fails = (code: string, pattern: RegExp): void => assert.throws(() => openModelFolder(join(folder, 'bad')), (e) => isTiefsucheError(e) && e.code === code && pattern.test(e.message));
  fails('NOT_FOUND', /no model folder/);
  mkdirSync(join(folder, 'bad'));
  fails('NOT_FOUND', /no config.json/);
  writeFileSync(join(folder, 'bad', 'config.json'), '{"model_type":');
  fails('FORMAT', /not valid JSON/);
  writeFileSync(join(folder, 'bad', 'config.json'), '{}');
  fails('FORMAT', /no model_type/);
  writeFileSync(join(folder, 'bad', 'config.json'), '{"model_type":"llama"}');
  fails('NOT_FOUND', /neither model.safetensors/);
});

test('adapters: written as PEFT does, read back, and refused when keys do not pair', async () => {
  const path = join(folder, 'adapter');
  const pair: LoraPair = { a: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(7, 8), rank: 2, inFeatures: 3, outFeatures: 1 };
  const modules = new Map([['model.layers.0.self_attn.q_proj', pair], ['model.layers.0.mlp.up_proj', pair]]);
  await savePeftAdapter(path, { baseModel: 'base', rank: 2, alpha: 8, modules });
  const adapter = readPeftAdapter(path);
  assert.equal(adapter.scale, 4);
  assert.deepEqual(adapter.modules, modules);
  assert.deepEqual(adapter.config.target_modules, ['q_proj', 'up_proj']);
  assert.match(readFileSync(join(path, 'adapter_model.safetensors'), 'latin1'), /"base_model\.model\.model\.layers\.0\.self_attn\.q_proj\.lora_A\.weight"/);
  await writeSafetensors(join(path, 'adapter_model.safetensors'), [{ name: 'base_model.model.x.lora_A.weight', shape: [2, 1], data: Float32Array.of(1, 2) }]);
  assert.throws(() => readPeftAdapter(path), /no partner/);
  await writeSafetensors(join(path, 'adapter_model.safetensors'), [{ name: 'base_model.model.x.inner.lora_A', shape: [1], data: Float32Array.of(1) }]);
  assert.throws(() => readPeftAdapter(path), (e) => isTiefsucheError(e) && e.code === 'UNSUPPORTED');
});
