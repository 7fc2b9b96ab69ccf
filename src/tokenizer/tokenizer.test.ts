// The tokenizer against the library it wraps, streaming, special tokens, character vocabularies and training.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isTiefsucheError } from '../errors.ts';
import { charTokenizer, digitCompletionTokenizer } from './char-tokenizer.ts';
import { loadTokenizer, type Tokenizer } from './tokenizer.ts';
import { trainTokenizer } from './train.ts';

const data = new URL('../../test/data/', import.meta.url);
const goldens = JSON.parse(readFileSync(new URL('format-goldens/goldens.json', data), 'utf8')).training as
  { text: string; vocabSize: number; merges: string[]; vocab_head: [string, number][] };
const specialTokens = ['<|end|>', '<think>', '</think>'];
const train = (preTokenizer: string) => trainTokenizer([goldens.text], { vocabSize: 330, specialTokens, preTokenizer, roles: { eos: '<|end|>' } });

function randomTexts(count: number): string[] {
  let state = 12345;
  const next = (n: number): number => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 2 ** 32 * n); };
  const parts = [...'abcdefgh Theie  \n\t\r\n1234.,!?\'s äöüß中文字🙂e\u0301ﬁ\u00a0\u2028ſ', '🇩🇪', 'the ', ' die Katze', ...specialTokens, 'e'.repeat(90), '\u0000', '\ufffd', '\ud800'];
  return Array.from({ length: count }, () => Array.from({ length: next(40) }, () => (next(12) === 0 ? String.fromCodePoint(next(0x2fff)) : parts[next(parts.length)]!)).join(''));
}

for (const preTokenizer of ['smollm', 'qwen2', 'llama-bpe', 'gpt-2', 'deepseek-v3', 'default']) {
  test(`${preTokenizer}: ids equal the library's, and streams equal decoding`, async () => {
    const { tokenizerJson, tokenizerConfig } = await train(preTokenizer), tokenizer = loadTokenizer(tokenizerJson, tokenizerConfig);
    const texts = randomTexts(400), batch = await tokenizer.encodeBatch(texts);
    texts.forEach((text, i) => {
      const ids = tokenizer.encode(text), stream = tokenizer.stream();
      assert.deepEqual([...ids], [...batch[i]!], JSON.stringify(text));
      assert.equal([...ids].map((id) => stream.push(id)).join('') + stream.flush(), tokenizer.decode(ids));
      const whole = text.replace(/\p{Surrogate}/gu, '\ufffd');
      assert.equal(tokenizer.decode(ids), preTokenizer === 'qwen2' ? whole.normalize('NFC') : whole);
    });
  });
}

test('training learns the merges the reference trainer learns', async () => {
  const { tokenizerJson } = await trainTokenizer([goldens.text], { vocabSize: goldens.vocabSize, specialTokens: ['<a>', '<b>'] });
  assert.deepEqual(tokenizerJson.model.merges, goldens.merges);
  for (const [token, id] of goldens.vocab_head) assert.equal(tokenizerJson.model.vocab[token], id);
});

test('training does not depend on the order of the texts, and cuts numbers into digits', async () => {
  const texts = goldens.text.split(' ').map((w) => ` ${w}`);
  const one = await trainTokenizer(texts, { vocabSize: 300 }), two = await trainTokenizer(texts.toReversed(), { vocabSize: 300 });
  assert.equal(JSON.stringify(one.tokenizerJson), JSON.stringify(two.tokenizerJson));
  const tokenizer = loadTokenizer(one.tokenizerJson);
  assert.equal(tokenizer.encode('55555555').length, 8);
  assert.equal(tokenizer.vocabSize, 300);
});

test('training refuses what cannot be', async () => {
  const refused = (e: unknown): boolean => isTiefsucheError(e) && e.code === 'CONFIG' && e.hint !== undefined;
  await assert.rejects(trainTokenizer([], { vocabSize: 255 }), refused);
  await assert.rejects(trainTokenizer([], { vocabSize: 300, preTokenizer: 'nothing' }), refused);
  await assert.rejects(trainTokenizer([], { vocabSize: 300, specialTokens: ['a', 'a'] }), refused);
});

async function trained(): Promise<Tokenizer> {
  const { tokenizerJson, tokenizerConfig } = await train('smollm');
  return loadTokenizer(JSON.stringify(tokenizerJson), tokenizerConfig);
}

test('a stream never gives half a character', async () => {
  const tokenizer = await trained(), ids = tokenizer.encode('ß🙂🇩🇪'), stream = tokenizer.stream();
  assert.ok(ids.length > 8);
  const parts = [...ids].map((id) => stream.push(id));
  assert.ok(parts.every((p) => !p.includes('\ufffd')));
  assert.equal(parts.join(''), 'ß🙂🇩🇪');
  const cut = tokenizer.stream();
  assert.equal(cut.push(ids[2]!) + cut.push(tokenizer.encode('a')[0]!) + cut.flush(), '\ufffda');
  const open = tokenizer.stream();
  assert.equal(open.push(ids[2]!), '');
  assert.equal(open.flush(), '\ufffd');
});

test('special tokens: found in texts, named, skipped on request', async () => {
  const tokenizer = await trained(), ids = tokenizer.encode('a<think>b<|end|>');
  assert.deepEqual([ids[1], ids[3]], [1, 0]);
  assert.deepEqual(tokenizer.specialTokens, { bos: undefined, eos: 0, pad: undefined, unk: undefined });
  assert.equal(tokenizer.decode(ids), 'a<think>b<|end|>');
  assert.equal(tokenizer.decode(ids, { skipSpecial: true }), 'ab');
  assert.equal(tokenizer.tokenToId('</think>'), 2);
  assert.equal(tokenizer.idToToken(2), '</think>');
  assert.equal(tokenizer.idToToken(99999), undefined);
  assert.equal(tokenizer.decode([99999, ids[0]!]), 'a');
  assert.equal(Buffer.from(tokenizer.bytesOf(2)).toString(), '</think>');
  const stream = tokenizer.stream({ skipSpecial: true });
  assert.equal([...ids].map((id) => stream.push(id)).join(''), 'ab');
});

test('tokens named like parts of JavaScript are tokens', () => {
  const { tokenizerJson } = charTokenizer(['a'], { tokens: ['__proto__', 'constructor', 'toString'] });
  const tokenizer = loadTokenizer(JSON.stringify(tokenizerJson));
  assert.deepEqual([...tokenizer.encode('a__proto__constructor')], [3, 0, 1]);
  assert.equal(tokenizer.tokenToId('valueOf'), undefined);
});

test('added tokens of any characters are found: longest first, whole words, with their blanks', async () => {
  const { tokenizerJson } = charTokenizer(['a', ' ', '-', '<'], { tokens: ['<|a-b.c*d+(e)[f]{g}^$/\\\\|>', '<a>', '<a>>', 'WORD', '<strip>'] });
  const flags = (id: number, extra: object): void => { Object.assign(tokenizerJson.added_tokens[id]!, extra); };
  flags(3, { single_word: true });
  flags(4, { lstrip: true, rstrip: true });
  const tokenizer = loadTokenizer(JSON.stringify(tokenizerJson));
  for (const text of ['a<|a-b.c*d+(e)[f]{g}^$/\\\\|>-', '<a>><a>', 'aWORD WORD-WORD', 'a  <strip>  a', '<strip><strip> <a']) {
    assert.deepEqual([tokenizer.encode(text)], await tokenizer.encodeBatch([text]), text);
  }
  assert.deepEqual([...tokenizer.encode('<|a-b.c*d+(e)[f]{g}^$/\\\\|><a>>')], [0, 2]);
});

test('limits left in the file do not cut or pad a text', async () => {
  const { tokenizerJson } = charTokenizer(['a'], { tokens: ['<p>'] });
  const tokenizer = loadTokenizer({
    ...tokenizerJson, truncation: { direction: 'Right', max_length: 2, strategy: 'LongestFirst', stride: 0 },
    padding: { strategy: { Fixed: 8 }, direction: 'Right', pad_to_multiple_of: null, pad_id: 0, pad_type_id: 0, pad_token: '<p>' },
  });
  assert.deepEqual((await tokenizer.encodeBatch(['aaaa', 'a'])).map((ids) => [...ids]), [[1, 1, 1, 1], [1]]);
  assert.equal(tokenizer.encode('aaaa').length, 4);
});

test('bos and eos are added only when asked for, as the files say', () => {
  const { tokenizerJson, tokenizerConfig } = charTokenizer(['a'], { tokens: ['<s>', '</s>'], bos: '<s>', eos: '</s>' });
  const template = { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }], pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }], special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } } };
  const ids = (post: typeof template | null, config: object): number[] => [...loadTokenizer({ ...tokenizerJson, post_processor: post }, { ...tokenizerConfig, ...config }).encode('a', { addSpecialTokens: true })];
  assert.deepEqual(ids(template, {}), [0, 2]);
  assert.deepEqual(ids(template, { add_bos_token: true, add_eos_token: true }), [0, 2, 1]);
  assert.deepEqual(ids(template, { add_bos_token: false }), [2]);
  assert.deepEqual(ids(null, { add_bos_token: true }), [0, 2]);
  assert.deepEqual([...loadTokenizer({ ...tokenizerJson, post_processor: template }, tokenizerConfig).encode('a')], [2]);
});

test("the digit completion model's alphabet has verl's ids", async () => {
  const config = JSON.parse(readFileSync(new URL('tiny-rl-arithmetic-sequence/tokenizer_config.json', data), 'utf8'));
  const { tokenizerJson, tokenizerConfig } = digitCompletionTokenizer(config), tokenizer = loadTokenizer(tokenizerJson, tokenizerConfig);
  assert.equal(tokenizer.vocabSize, 16);
  assert.deepEqual([...tokenizer.encode('0,9:1SEPUx')], [4, 14, 13, 15, 5, 0, 1, 2, 3, 3]);
  assert.equal(tokenizer.decode([4, 14, 13, 15, 5, 0]), '0,9:1S');
  assert.deepEqual(tokenizer.specialTokens, { bos: undefined, eos: 1, pad: 2, unk: 3 });
  assert.deepEqual((await tokenizer.encodeBatch(['12x'])).map((ids) => [...ids]), [[5, 6, 3]]);
});

test('character vocabularies: any Unicode character, spaces and line ends too', async () => {
  const { tokenizerJson, tokenizerConfig } = charTokenizer([' ', '\n', 'ä', '🙂', '='], { tokens: ['<e>', '<think>'], eos: '<e>' });
  const tokenizer = loadTokenizer(tokenizerJson, tokenizerConfig), text = ' ä\n🙂<think>=';
  assert.deepEqual([...tokenizer.encode(text)], [2, 4, 3, 5, 1, 6]);
  assert.deepEqual((await tokenizer.encodeBatch([text]))[0], tokenizer.encode(text));
  assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  const stream = tokenizer.stream();
  assert.equal([...tokenizer.encode(text)].map((id) => stream.push(id)).join(''), text);
});

test('SentencePiece-like BPE: byte fallback and the leading space', async () => {
  const vocab: Record<string, number> = { '<unk>': 0 };
  for (let b = 0; b < 256; b++) vocab[`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`] = b + 1;
  for (const token of ['\u2581', 'a', 'b', 'ab', '\u2581ab']) vocab[token] = Object.keys(vocab).length;
  const json = {
    version: '1.0', truncation: null, padding: null, added_tokens: [],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '\u2581' }, { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }] },
    pre_tokenizer: null, post_processor: null,
    decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
    model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, ignore_merges: false, vocab, merges: ['a b', '\u2581 ab'] },
  };
  const tokenizer = loadTokenizer(json);
  for (const text of ['ab ab', 'aä🙂b', ' a']) {
    const ids = tokenizer.encode(text), stream = tokenizer.stream();
    assert.deepEqual([ids], await tokenizer.encodeBatch([text]), text);
    assert.equal(tokenizer.decode(ids), text);
    assert.equal([...ids].map((id) => stream.push(id)).join('') + stream.flush(), text);
  }
});

test('refused: other models and broken files', () => {
  const refused = (json: string, code: string): void => assert.throws(() => loadTokenizer(json), (e) => isTiefsucheError(e) && e.code === code && e.hint !== undefined);
  refused('{', 'FORMAT');
  refused('{}', 'FORMAT');
  refused('null', 'FORMAT');
  refused('{"model":{"type":"Unigram","vocab":[]}}', 'UNSUPPORTED');
  refused('{"version":"1.0","model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}', 'FORMAT');
});
