// Random walks through the language of a schema are JSON that satisfies it (by zod's reading of the schema, which is not
// ours), numbers keep their bounds on both sides, what is not understood is refused by its name, and masks allow exactly
// the tokens that the language allows.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { random } from '../../engine/random.ts';
import { loadTokenizer } from '../../tokenizer/tokenizer.ts';
import { type Expression, Language } from './expression.ts';
import { SchemaError, objectLanguage, schemaLanguage } from './json-schema.ts';
import { SortedTokens, TokenMasks } from './token-masks.ts';

const accepts = (l: Language, e: Expression, text: string): boolean => [...new TextEncoder().encode(text)].reduce((state, b) => l.after(state, b), e).nullable;

/** Reads random bytes that the language allows, and hurries to the end once it is long. */
function walk(l: Language, from: Expression, seed: number): string {
  const bytes: number[] = [];
  let state = from;
  for (let i = 0; ; i++) {
    const allowed = Array.from({ length: 256 }, (_, b) => b).filter((b) => l.after(state, b) !== l.nothing);
    if (allowed.length === 0 || (state.nullable && random(seed, 1, i) % 2 === 0)) break;
    const closing = [...'"]}'].map((c) => c.charCodeAt(0)).filter((b) => allowed.includes(b)), spaces = allowed.filter((b) => b !== 32 && b !== 10 && b !== 9);
    const from = bytes.length > 60 && closing.length > 0 ? closing : bytes.length > 30 && spaces.length > 0 ? spaces : allowed, pick = from[random(seed, 0, i) % from.length]!;
    bytes.push(pick);
    state = l.after(state, pick);
    assert.ok(bytes.length < 5000, 'it does not end');
  }
  assert.ok(state.nullable);
  return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes));
}

const schemas: object[] = [
  { type: 'object', properties: { name: { type: 'string', minLength: 2, maxLength: 5 }, age: { type: 'integer', minimum: 0, maximum: 130 }, tags: { type: 'array', items: { enum: ['a', 'ab', 3, null] }, minItems: 1, maxItems: 3 } }, required: ['name', 'age'], additionalProperties: false },
  { type: 'object', properties: { a: { type: 'boolean' }, b: { type: 'number', minimum: -1.5, exclusiveMaximum: 2.25 }, c: { type: ['string', 'null'], maxLength: 3 } }, additionalProperties: { type: 'integer' } },
  { anyOf: [{ type: 'null' }, { const: 'ü"x' }, { type: 'object', properties: { kind: { const: 'point' } }, required: ['kind'], additionalProperties: false }] },
  { $defs: { tree: { type: 'object', properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#/$defs/tree' }, maxItems: 2 } }, required: ['value', 'children'], additionalProperties: false } }, $ref: '#/$defs/tree' },
  { type: 'object', description: 'anything', title: 'Anything' },
  { type: 'array', items: { type: 'array', items: { type: 'number' } }, minItems: 2 },
  { type: 'string' },
];

test('what a schema\'s language allows satisfies the schema', () => {
  for (const [n, schema] of schemas.entries()) {
    const l = new Language(), whole = schemaLanguage(l, schema), check = z.fromJSONSchema(schema as never);
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed++) {
      const text = walk(l, whole, 100 * n + seed), parsed = check.safeParse(JSON.parse(text));
      assert.ok(parsed.success, `${JSON.stringify(schema)} allows ${text}`);
      seen.add(text);
    }
    assert.ok(seen.size > 3 || n === 2, 'walks differ');
  }
  const l = new Language(), whole = schemaLanguage(l, schemas[0]);
  for (const [text, right] of [
    ['{"name":"Jo","age":7}', true], ['{"name": "Jo",\n  "age": 130, "tags": ["a", null]}', true], ['{"name":"J","age":7}', false], ['{"name":"Zoë🙂","age":7}', true], ['{"name":"\\u00e9\\ud83d\\ude00","age":7}', true],
    ['{"name":"Jo","age":131}', false], ['{"name":"Jo","age":07}', false], ['{"age":7,"name":"Jo"}', false], ['{"name":"Jo","age":7,"tags":[]}', false], ['{"name":"Jo","age":7,}', false], ['{"name":"Jo\n","age":7}', false],
  ] as const) assert.equal(accepts(l, whole, text), right, text);
  assert.ok(accepts(l, objectLanguage(l), '{"a": {"b": [1e3, -0.5, "x"]}, "c": null}') && !accepts(l, objectLanguage(l), '[]'));
  const named = schemaLanguage(l, { properties: { ab: { type: 'integer' } }, additionalProperties: { type: 'string' } });
  assert.deepEqual(['{"ab":1}', '{"ab":"x"}', '{"a":"x"}', '{"abc":"x","b":"y"}'].map((t) => accepts(l, named, t)), [true, false, true, true]);
});

test('numbers keep their bounds, on both sides and at them', () => {
  const l = new Language();
  for (const [low, high] of [[0, 0], [-3, 12], [7, 1234], [-250, -9], [95, 105], [-Infinity, 5], [998, Infinity]] as const) {
    const whole = schemaLanguage(l, { type: 'integer', ...(low > -Infinity && { minimum: low }), ...(high < Infinity && { maximum: high }) });
    for (let i = -400; i < 1500; i++) assert.equal(accepts(l, whole, String(i)), i >= low && i <= high, `${i} in [${low}, ${high}]`);
  }
  for (let n = 0; n < 60; n++) {
    const value = (k: number): number => (random(9, n, k) % 4000 - 2000) / [1, 10, 100, 400][random(9, n, k + 5) % 4]!;
    const [a, b] = [value(0), value(1)], [low, high] = [Math.min(a, b), Math.max(a, b)], open = n % 2 === 1;
    if (low === high) continue;
    const whole = schemaLanguage(l, open ? { type: 'number', exclusiveMinimum: low, exclusiveMaximum: high } : { type: 'number', minimum: low, maximum: high });
    for (let k = 0; k < 200; k++) {
      const near = [low, high, 0, (low + high) / 2][k % 4]!, x = Number((near + (random(10, n, k) % 200 - 100) / [1, 10, 1000, 1e6][k % 3]!).toFixed(random(11, n, k) % 7)), text = x.toFixed(6).replace(/\.?0+$/, '');
      if (Object.is(x, -0) || text === '-0') continue;
      assert.equal(accepts(l, whole, text), open ? Number(text) > low && Number(text) < high : Number(text) >= low && Number(text) <= high, `${text} in ${low}…${high}, ${open ? 'open' : 'closed'}`);
    }
    for (let seed = 0; seed < 10; seed++) {
      const x = Number(walk(l, whole, seed + 1000 * n));
      assert.ok(open ? x > low && x < high : x >= low && x <= high, `${x} in ${low}…${high}`);
    }
  }
  assert.ok(accepts(l, schemaLanguage(l, { type: 'number' }), '-1.5e-7'));
});

test('what is not understood, or is no schema, is refused by its name', () => {
  const cases: [schema: unknown, path: string, kind: string][] = [
    [{ type: 'nonsense' }, 'type', 'invalid'],
    [{ type: 'object', properties: { age: { type: 'integer', multipleOf: 2 } } }, 'properties.age.multipleOf', 'unsupported'],
    [{ type: 'string', pattern: '^a+$' }, 'pattern', 'unsupported'],
    [{ allOf: [{ type: 'string' }] }, 'allOf', 'unsupported'],
    [{ type: 'array', items: { not: {} } }, 'items.not', 'unsupported'],
    [{ type: 'string', minimum: 3 }, 'minimum', 'unsupported'],
    [{ anyOf: [{ type: 'string' }, { format: 'date' }] }, 'anyOf[1].format', 'unsupported'],
    [{ $ref: 'https://example.org/schema' }, '$ref', 'unsupported'],
    [{ $ref: '#/$defs/none' }, '$ref', 'invalid'],
    [{ type: 'string', minLength: -1 }, 'minLength', 'invalid'],
    [{ type: 'integer', minimum: 5, maximum: 4 }, '', 'invalid'],
    [{ enum: ['a'], type: 'integer' }, 'enum', 'invalid'],
    [{ type: 'object', properties: { self: { $ref: '#' } }, required: ['self'] }, '', 'invalid'],
    ['a text', '', 'invalid'],
  ];
  for (const [schema, path, kind] of cases) {
    assert.throws(() => schemaLanguage(new Language(), schema), (e) => e instanceof SchemaError && e.path === path && e.kind === kind, JSON.stringify(schema));
  }
  const many = (n: number, length: number) => ({ type: 'object', properties: Object.fromEntries(Array.from({ length: n }, (_, i) => [`${i}`.padStart(length, 'p'), { enum: ['x'.repeat(length), i] }])) });
  const large = new Language(), whole = schemaLanguage(large, many(10, 990));
  assert.ok(accepts(large, whole, JSON.stringify({ ['9'.padStart(990, 'p')]: 'x'.repeat(990) })), 'what is large is read without running out of stack');
  for (const huge of [many(501, 4), many(1, 1001), { const: 'x'.repeat(100_000) }, many(400, 500), Array.from({ length: 80 }).reduce<object>((inner) => ({ type: 'array', items: inner }), {})]) {
    assert.throws(() => schemaLanguage(new Language(), huge), (e) => e instanceof SchemaError && e.kind === 'unsupported');
  }
  const endless = new Language();
  assert.ok(schemaLanguage(endless, { anyOf: [{ $ref: '#' }, { type: 'null' }] }), 'a schema may lean on itself if it ends');
});

test('a mask allows exactly the tokens after which the language goes on, or that end it', () => {
  const words = ['{', '}', '"', ':', ',', ' ', '\n', 'a', 'b', 'n', 'u', 'l', '1', '2', '.', '-', '{"', '":', '": ', '"a', '"a"', '"}', ', "', '12', 'null', 'nu', 'll}', ']', '[1', '1]', 'ab', '1.2', '<think>', '<end>'];
  const tokenizer = loadTokenizer({
    added_tokens: [{ id: words.indexOf('<think>'), content: '<think>', special: true }, { id: words.indexOf('<end>'), content: '<end>', special: true }].map((t) => ({ ...t, single_word: false, lstrip: false, rstrip: false, normalized: false })),
    normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' },
    model: { type: 'BPE', vocab: Object.fromEntries(words.map((w, i) => [w, i])), merges: [], unk_token: null },
  });
  const end = words.indexOf('<end>'), tokens = new SortedTokens(tokenizer, words.length, new Set([end]));
  const schema = { type: 'object', properties: { a: { type: ['number', 'null'], maximum: 15 }, b: { type: 'string', maxLength: 70 } }, additionalProperties: false }, l = new Language(), masks = new TokenMasks(tokens, l);
  for (let seed = 0; seed < 30; seed++) {
    let state = schemaLanguage(l, schema), text = '';
    for (let i = 0; i < 200; i++) {
      const { bits, count } = masks.of(state), allowed = words.flatMap((_, id) => (((bits[id >> 5]! >>> (id & 31)) & 1) === 1 ? [id] : []));
      const expected = words.flatMap((w, id) => (w === '<think>' ? [] : id === end ? (state.nullable ? [id] : []) : [...new TextEncoder().encode(w)].reduce((s, b) => l.after(s, b), state) !== l.nothing ? [id] : []));
      assert.deepEqual(allowed, expected, text);
      assert.equal(count, allowed.length);
      const last = i > 120 ? allowed.filter((id) => /["}]/.test(words[id]!)) : [], id = (last.length > 0 ? last : allowed)[random(seed, 7, i) % (last.length > 0 ? last : allowed).length]!;
      if (id === end) break;
      text += words[id];
      state = [...new TextEncoder().encode(words[id]!)].reduce((s, b) => l.after(s, b), state);
    }
    JSON.parse(text);
  }
  assert.equal(tokens.formatted(l, 'a<think>b'), l.sequence(l.text('a'), l.token(256 + words.indexOf('<think>')), l.text('b')));
});
