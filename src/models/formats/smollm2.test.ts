// The real SmolLM2-135M file (node scripts/fetch-smollm2.js; without it CI fails, other machines skip). Hashes are of the f32 values
// that gguf-py 0.19.0 gives, q and k un-permuted by numpy; ids and the rendered chat are transformers 5.23.0's.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { compileChatTemplate, templateVariables } from '../../tokenizer/chat-template.ts';
import { loadTokenizer } from '../../tokenizer/tokenizer.ts';
import { openGgufModel } from './gguf-model.ts';

const path = join(process.env['TIEFSUCHE_HOME'] || join(homedir(), '.tiefsuche'), 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf');
const valueHashes: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': '3fd491c8066dd9dc1a2bf6796701526c82817d95c0ecabacdef3013c2b8bbbaa',
  'model.layers.29.mlp.down_proj.weight': 'c19605745425a11e704e305ce3d27b632c406195d39eb3377e9cfb140ac643d1',
  'model.layers.7.self_attn.k_proj.weight': 'c0853489b02eee1ed7445c54741bd81797cf0b936e6edd0c57cb4a4ac9ef86ef',
};

test('SmolLM2: weights, ids and chat as the reference tools see them', { skip: existsSync(path) || process.env['CI'] ? false : 'not fetched: node scripts/fetch-smollm2.js' }, () => {
  const model = openGgufModel(path);
  assert.equal(model.weights.tensors.size, 272);
  for (const [name, hash] of Object.entries(valueHashes)) {
    assert.equal(createHash('sha256').update(new Uint8Array(model.weights.readFloat32(name).buffer)).digest('hex'), hash, name);
  }
  const { num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, rope_theta, rms_norm_eps, tie_word_embeddings } = model.config;
  assert.deepEqual([num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim, rope_theta, rms_norm_eps, tie_word_embeddings], [30, 9, 3, 64, 1e5, 1e-5, true]);
  const tokenizer = loadTokenizer(model.tokenizerJson!, model.tokenizerConfig);
  assert.deepEqual([...tokenizer.encode('<|im_start|>user\nHallo Welt 1234 äöü 🙂<|im_end|>')],
    [1, 4093, 198, 36549, 95, 408, 2781, 216, 33, 34, 35, 36, 5549, 114, 7466, 7170, 47526, 2]);
  const template = compileChatTemplate(model.chatTemplate!, templateVariables(model.tokenizerConfig));
  assert.equal(template.render([{ role: 'user', content: 'Hi' }], { addGenerationPrompt: true }),
    '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n');
  model.close();
});
