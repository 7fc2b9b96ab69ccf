// A JSON Schema as a language of JSON texts. Understood: type, properties, required, additionalProperties, items,
// minItems, maxItems, enum, const, anyOf, $ref into $defs, minLength, maxLength, minimum, maximum and their exclusive
// forms. Annotations are passed over; any other keyword is refused by its name, since a mask that overlooks it would
// promise what it does not keep. Properties come in the order in which they are declared, and where some are declared,
// others only if additionalProperties asks for them. Between tokens of JSON stands a space, a line break, or nothing.

import type { Expression, Language } from './expression.ts';
import { decimals, integers } from './number-range.ts';

export class SchemaError extends Error {
  /** Where in the schema, e.g. `properties.age.multipleOf`. */
  readonly path: string;
  /** `unsupported`: it may be a fine schema; `invalid`: it is none, or nothing satisfies it. */
  readonly kind: 'unsupported' | 'invalid';

  constructor(path: string, kind: 'unsupported' | 'invalid', message: string) {
    super(message);
    this.path = path;
    this.kind = kind;
  }
}

type Schema = Readonly<Record<string, unknown>>;

const annotations = new Set(['$schema', '$id', '$comment', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$defs', 'definitions']);
const keywordsOf: Readonly<Record<string, readonly string[]>> = {
  string: ['minLength', 'maxLength'], integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'], number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  object: ['properties', 'required', 'additionalProperties'], array: ['items', 'minItems', 'maxItems'], boolean: [], null: [],
};
const typed = new Set(Object.values(keywordsOf).flat());
const types = Object.keys(keywordsOf);

const mostExpressions = 50_000, mostValues = 1000, mostListed = 100_000, mostProperties = 500, longestText = 1000, deepest = 64;

const tooLarge = (path: string): SchemaError => new SchemaError(path, 'unsupported', 'the schema is too large');
const isRecord = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value);
const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/**
 * JSON texts that satisfy the schema; throws a SchemaError that says where it does not understand it.
 * @param name tells the references of several schemas in one language apart
 */
export function schemaLanguage(l: Language, schema: unknown, name = ''): Expression {
  const reader = new SchemaReader(l, schema, name), whole = reader.read(schema, '', 0);
  if (!l.possible(whole)) throw new SchemaError('', 'invalid', 'nothing satisfies this schema');
  return whole;
}

/** Any JSON object, for `{"type": "json_object"}`. */
export const objectLanguage = (l: Language): Expression => new SchemaReader(l, {}, '').anyObject();

/** White space of a layout, bounded so that it ends. */
export const layout = (l: Language): Expression => l.choice(l.empty, l.text(' '), l.sequence(l.text('\n'), l.choice(l.repeat(l.text(' '), 0, 40), l.repeat(l.text('\t'), 0, 10))));

class SchemaReader {
  private readonly l: Language;
  private readonly root: unknown;
  private readonly name: string;

  constructor(l: Language, root: unknown, name: string) {
    this.l = l;
    this.root = root;
    this.name = name;
  }

  read(schema: unknown, path: string, depth: number): Expression {
    const { l } = this;
    if (schema === true) return this.anyValue();
    if (!isRecord(schema)) throw new SchemaError(path, 'invalid', 'expected a schema: an object, or true');
    if (depth > deepest || l.size > mostExpressions) throw tooLarge(path);
    const { $ref, anyOf, type } = schema, own = Object.keys(schema).filter((k) => !annotations.has(k));
    if ($ref !== undefined) { this.only(own, ['$ref'], path); return this.reference($ref, path, depth); }
    if (anyOf !== undefined) {
      this.only(own, ['anyOf'], path);
      if (!Array.isArray(anyOf) || anyOf.length === 0) throw new SchemaError(join(path, 'anyOf'), 'invalid', 'expected a list of schemas');
      return l.choice(...anyOf.map((s, i) => this.read(s, `${join(path, 'anyOf')}[${i}]`, depth + 1)));
    }
    const wanted = this.typesOf(type, path, own);
    if ('enum' in schema || 'const' in schema) return this.values(schema, wanted, own, path);
    this.only(own, ['type', ...(wanted ?? types).flatMap((t) => keywordsOf[t]!)], path);
    return wanted === null ? this.anyValue() : l.choice(...wanted.map((t) => this.ofType(t, schema, path, depth)));
  }

  private only(own: readonly string[], allowed: readonly string[], path: string): void {
    const other = own.find((k) => !allowed.includes(k));
    if (other === undefined) return;
    const known = typed.has(other) || ['enum', 'const', 'anyOf', '$ref', 'type'].includes(other);
    throw new SchemaError(join(path, other), 'unsupported', known ? `"${other}" beside ${own.filter((k) => k !== other).map((k) => `"${k}"`).join(' and ') || 'no type'} is not supported` : `the keyword "${other}" is not supported`);
  }

  /** Null: any. A keyword of one type alone implies it. */
  private typesOf(type: unknown, path: string, own: readonly string[]): string[] | null {
    if (type === undefined) {
      const implied = types.filter((t) => t !== 'integer' && own.some((k) => keywordsOf[t]!.includes(k)));
      return implied.length === 0 ? null : implied;
    }
    const all = Array.isArray(type) ? type as unknown[] : [type];
    for (const t of all) if (typeof t !== 'string' || !types.includes(t)) throw new SchemaError(join(path, 'type'), 'invalid', `${JSON.stringify(t)} is no type; there are ${types.join(', ')}`);
    if (all.length === 0) throw new SchemaError(join(path, 'type'), 'invalid', 'expected a type');
    return all as string[];
  }

  private values(schema: Schema, wanted: readonly string[] | null, own: readonly string[], path: string): Expression {
    this.only(own, ['type', 'enum', 'const'], path);
    const listed = 'enum' in schema ? schema['enum'] : [schema['const']];
    if (!Array.isArray(listed) || listed.length === 0) throw new SchemaError(join(path, 'enum'), 'invalid', 'expected a list of values');
    if (listed.length > mostValues) throw new SchemaError(join(path, 'enum'), 'unsupported', `at most ${mostValues} values are supported`);
    const fits = (v: unknown): boolean => wanted === null || wanted.some((t) => (t === 'null' ? v === null : t === 'array' ? Array.isArray(v) : t === 'object' ? isRecord(v) : t === 'integer' ? Number.isInteger(v) : typeof v === t));
    const both = 'enum' in schema && 'const' in schema ? listed.filter((v) => JSON.stringify(v) === JSON.stringify(schema['const'])) : listed;
    const texts = both.filter(fits).map((v) => JSON.stringify(v));
    if (texts.length === 0) throw new SchemaError(join(path, 'enum' in schema ? 'enum' : 'const'), 'invalid', 'no value has the type that is asked for');
    if (texts.some((t) => t.length > longestText)) throw new SchemaError(path, 'unsupported', `values of more than ${longestText} characters are not supported`);
    if (this.l.listed + texts.reduce((n, t) => n + t.length, 0) > mostListed) throw tooLarge(path);
    return this.l.texts([...new Set(texts)]);
  }

  private reference(ref: unknown, path: string, depth: number): Expression {
    const at = join(path, '$ref');
    if (typeof ref !== 'string' || !(ref === '#' || ref.startsWith('#/'))) throw new SchemaError(at, 'unsupported', 'only references within the schema (#/$defs/…) are supported');
    const name = `ref ${this.name} ${ref}`, rule = this.l.rule(name);
    if (this.l.defined(name)) return rule;
    let target: unknown = this.root;
    for (const part of ref.split('/').slice(1)) target = isRecord(target) ? target[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    if (target === undefined) throw new SchemaError(at, 'invalid', `there is no ${ref}`);
    this.l.define(name, this.l.nothing); // while it is read it may meet itself
    this.l.define(name, this.read(target, ref.slice(2).replaceAll('/', '.'), depth + 1));
    return rule;
  }

  private ofType(type: string, schema: Schema, path: string, depth: number): Expression {
    const { l } = this;
    switch (type) {
      case 'null': return l.text('null');
      case 'boolean': return l.texts(['true', 'false']);
      case 'string': return this.string(this.count(schema, 'minLength', path, 0), this.count(schema, 'maxLength', path, Infinity));
      case 'integer': case 'number': return this.numeric(type, schema, path);
      case 'array': {
        const item = schema['items'] === undefined ? this.anyValue() : this.read(schema['items'], join(path, 'items'), depth + 1);
        return this.array(item, this.count(schema, 'minItems', path, 0), this.count(schema, 'maxItems', path, Infinity));
      }
      default: return this.object(schema, path, depth);
    }
  }

  private count(schema: Schema, name: string, path: string, otherwise: number): number {
    const value = schema[name] ?? otherwise;
    if (typeof value !== 'number' || !(Number.isInteger(value) || value === Infinity) || value < 0) throw new SchemaError(join(path, name), 'invalid', 'expected a whole number from 0');
    return value;
  }

  private numeric(type: 'integer' | 'number', schema: Schema, path: string): Expression {
    const value = (name: string, otherwise: number): number => {
      const x = schema[name] ?? otherwise;
      if (typeof x !== 'number') throw new SchemaError(join(path, name), 'invalid', 'expected a number');
      return x;
    };
    const [min, max, over, under] = [value('minimum', -Infinity), value('maximum', Infinity), value('exclusiveMinimum', -Infinity), value('exclusiveMaximum', Infinity)];
    if (type === 'integer') return integers(this.l, Math.max(min, over === -Infinity ? over : Math.floor(over) + 1), Math.min(max, under === Infinity ? under : Math.ceil(under) - 1));
    const bounds = { least: Math.max(min, over), most: Math.min(max, under), leastOpen: over >= min && over > -Infinity, mostOpen: under <= max && under < Infinity };
    return bounds.least > bounds.most ? this.l.nothing : decimals(this.l, bounds);
  }

  /** One code point of a JSON string, written as it is (UTF-8) or escaped. */
  private character(escapes = true): Expression {
    const { l } = this, tail = l.bytes([0x80, 0xbf]), hex = l.bytes([48, 57], [65, 70], [97, 102]), u = l.text('\\u');
    const plain = [
      l.bytes([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]),
      l.sequence(l.bytes([0xc2, 0xdf]), tail),
      l.sequence(l.bytes([0xe0, 0xe0]), l.bytes([0xa0, 0xbf]), tail), l.sequence(l.bytes([0xe1, 0xec], [0xee, 0xef]), tail, tail), l.sequence(l.bytes([0xed, 0xed]), l.bytes([0x80, 0x9f]), tail),
      l.sequence(l.bytes([0xf0, 0xf0]), l.bytes([0x90, 0xbf]), tail, tail), l.sequence(l.bytes([0xf1, 0xf3]), tail, tail, tail), l.sequence(l.bytes([0xf4, 0xf4]), l.bytes([0x80, 0x8f]), tail, tail),
    ];
    if (!escapes) return l.choice(...plain);
    const d = l.bytes([68, 68], [100, 100]), high = l.sequence(u, d, l.bytes([56, 57], [65, 66], [97, 98]), hex, hex), low = l.sequence(u, d, l.bytes([67, 70], [99, 102]), hex, hex);
    return l.choice(...plain,
      l.sequence(l.text('\\'), l.bytes(...['"', '\\', '/', 'b', 'f', 'n', 'r', 't'].map((c) => [c.charCodeAt(0), c.charCodeAt(0)] as const))),
      l.sequence(u, l.bytes([48, 57], [65, 67], [69, 70], [97, 99], [101, 102]), hex, hex, hex), l.sequence(u, d, l.bytes([48, 55]), hex, hex), l.sequence(high, low));
  }

  private string(least: number, most: number): Expression { return this.l.sequence(this.l.text('"'), this.l.repeat(this.character(), least, most), this.l.text('"')); }

  private array(item: Expression, least: number, most: number): Expression {
    const { l } = this, open = l.sequence(l.text('['), layout(l)), close = l.sequence(layout(l), l.text(']'));
    if (most < least) return l.nothing;
    const none = least === 0 ? l.sequence(open, l.text(']')) : l.nothing;
    if (most === 0) return none;
    const more = l.repeat(l.sequence(l.text(','), layout(l), item), Math.max(0, least - 1), most - 1);
    return l.choice(none, l.sequence(open, item, more, close));
  }

  private object(schema: Schema, path: string, depth: number): Expression {
    const { properties = {}, required = [], additionalProperties: more } = schema;
    if (!isRecord(properties)) throw new SchemaError(join(path, 'properties'), 'invalid', 'expected an object of schemas');
    if (!Array.isArray(required) || required.some((r) => typeof r !== 'string')) throw new SchemaError(join(path, 'required'), 'invalid', 'expected a list of names');
    const names = Object.keys(properties), undeclared = (required as string[]).filter((r) => !names.includes(r));
    if (names.length + undeclared.length > mostProperties || [...names, ...undeclared].some((n) => n.length > longestText)) throw new SchemaError(join(path, 'properties'), 'unsupported', `more than ${mostProperties} properties, or names of more than ${longestText} characters, are not supported`);
    if (undeclared.length > 0 && more === false) throw new SchemaError(join(path, 'required'), 'invalid', `"${undeclared[0]}" is required and may not be there`);
    const other = more === false || (more === undefined && names.length > 0) ? null : more === undefined || more === true ? this.anyValue() : this.read(more, join(path, 'additionalProperties'), depth + 1);
    const pairs = [
      ...names.map((name) => ({ name, value: this.read(properties[name], join(join(path, 'properties'), name), depth + 1), needed: (required as string[]).includes(name) })),
      ...undeclared.map((name) => ({ name, value: other ?? this.anyValue(), needed: true })),
    ];
    return this.pairs(pairs, other, path);
  }

  anyObject(): Expression { return this.pairs([], this.anyValue(), ''); }

  /** {a, b?, …}: in order, with commas only between what is there. `other`: what further names may hold. */
  private pairs(pairs: readonly { readonly name: string; readonly value: Expression; readonly needed: boolean }[], other: Expression | null, path: string): Expression {
    const { l } = this, gap = layout(l), comma = l.sequence(l.text(','), gap), colon = l.sequence(l.text(':'), gap), close = l.sequence(gap, l.text('}'));
    const further = other === null ? null : l.sequence(this.nameExcept(pairs.map((p) => p.name)), colon, other);
    const others = further === null ? l.empty : l.repeat(l.sequence(comma, further), 0, Infinity);
    let behind = l.sequence(others, close), first = further === null ? l.nothing : l.sequence(further, others, close), bare: Expression = l.text('}');
    for (const { name, value, needed } of [...pairs].reverse()) {
      const here = l.sequence(l.text(JSON.stringify(name)), colon, value, behind);
      first = needed ? here : l.choice(here, first);
      behind = needed ? l.sequence(comma, here) : l.choice(l.sequence(comma, here), behind);
      if (needed) bare = l.nothing;
      if (l.size > mostExpressions) throw tooLarge(path);
    }
    return l.sequence(l.text('{'), gap, l.choice(first, bare));
  }

  /** A string that is none of the names; without escapes, which could spell one. */
  private nameExcept(names: readonly string[]): Expression {
    const { l } = this, quote = l.text('"'), any = l.repeat(this.character(false), 0, Infinity);
    if (names.length === 0) return l.sequence(quote, any, quote);
    const texts = names.map((n) => JSON.stringify(n).slice(1, -1)).filter((n) => !n.includes('\\'));
    const beside = (group: readonly string[]): Expression => {
      const by = new Map<number, string[]>();
      for (const t of group) if (t !== '') by.set(t.charCodeAt(0), [...(by.get(t.charCodeAt(0)) ?? []), t.slice(1)]);
      // Beyond ASCII names part ways by their first ASCII character only: such a name is not offered to be continued.
      const free: [number, number][] = [];
      for (let b = 0x20; b < 0x80; b++) if (b !== 0x22 && b !== 0x5c && !by.has(b)) free.push([b, b]);
      return l.choice(group.includes('') ? l.nothing : quote, l.sequence(l.bytes(...free), any, quote), ...[...by].filter(([c]) => c < 0x80).map(([c, rest]) => l.sequence(l.bytes([c, c]), beside(rest))));
    };
    return l.sequence(quote, beside(texts));
  }

  private anyValue(): Expression {
    const { l } = this, value = l.rule('any value');
    if (!l.defined('any value')) {
      l.define('any value', l.nothing);
      l.define('any value', l.choice(this.string(0, Infinity), decimals(l, { least: -Infinity, most: Infinity, leastOpen: false, mostOpen: false }), l.texts(['true', 'false', 'null']), this.array(value, 0, Infinity), this.anyObject()));
    }
    return value;
  }
}
