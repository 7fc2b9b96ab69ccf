// A SentencePiece-like vocabulary through a GGUF file and back: the same ids with and without a blank before the text.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { addedToken } from '../../tokenizer/tokenizer-json.ts';
import { loadTokenizer } from '../../tokenizer/tokenizer.ts';
import { buildGguf } from './gguf-build.ts';
import { sentencePieceSteps } from './gguf-sentencepiece.ts';
import { ggufTokenizerKeys } from './gguf-tokenizer-write.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { readGguf } from './gguf.ts';

const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-pieces-'));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const prefix of [false, true]) test(`pieces ${prefix ? 'with a blank before the text' : 'as they stand'}`, () => {
  const merges = ['a b', '▁ ab', 'b a', 'a ba', 'ab a'], vocab: Record<string, number> = { '<unk>': 0, '<s>': 1, '</s>': 2 };
  for (let b = 0; b < 256; b++) vocab[`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`] = b + 3;
  for (const token of [...'▁abc', 'ab', '▁ab', 'ba', 'aba']) vocab[token] = Object.keys(vocab).length;
  const special = (text: string): object => addedToken(vocab[text]!, text, true);
  const tokenizer = loadTokenizer({
    version: '1.0', truncation: null, padding: null, added_tokens: ['<unk>', '<s>', '</s>'].map(special), ...sentencePieceSteps(prefix),
    post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }], pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }], special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } } },
    model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, ignore_merges: false, vocab, merges },
  }, { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>' });
  const path = join(folder, `${prefix}.gguf`);
  writeFileSync(path, buildGguf(ggufTokenizerKeys(tokenizer, Object.keys(vocab).length, [2], undefined)));
  const file = readGguf(path), { tokenizerJson, tokenizerConfig } = ggufTokenizer(file), back = loadTokenizer(tokenizerJson, tokenizerConfig);
  file.close();
  assert.equal(file.metadata.get('tokenizer.ggml.model'), 'llama');
  for (const text of ['ab ab', 'ababa cab', ' a\n🙂ß', 'b</s>a', '']) {
    assert.deepEqual(back.encode(text), tokenizer.encode(text), text);
    assert.deepEqual(back.encode(text, { addSpecialTokens: true }), tokenizer.encode(text, { addSpecialTokens: true }), text);
    assert.equal(back.decode(back.encode(text)), tokenizer.decode(tokenizer.encode(text)));
  }
  assert.deepEqual(back.specialTokens, tokenizer.specialTokens);
});
