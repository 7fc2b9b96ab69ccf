// YAML that a person wrote, checked by a zod schema: every mistake is reported at once, each with file, line, path,
// what was expected and what stands there; an unknown key gets the known one nearest to it.
import { LineCounter, isNode, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { TiefsucheError } from './errors.ts';
import { nearest } from './nearest.ts';

type Path = readonly (string | number)[];

/** One mistake in a document; `path` is empty for the document itself. */
export interface Complaint { path: Path; text: string }

export interface YamlSource {
  /** What errors call the document, usually its file name. */
  name: string;
  document: Document;
  lines: LineCounter;
}

/** Parses YAML 1.2; syntax errors and doubled keys are refused with their line. */
export function parseYaml(text: string, name: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const first = document.errors[0];
  if (first) {
    throw new TiefsucheError('CONFIG', `${name}:${lines.linePos(first.pos[0]).line}: not valid YAML: ${first.message}`);
  }
  return { name, document, lines };
}

/** Everything `schema` has to say about `value`, in words; empty when it fits. `at` is where the value stands. */
export function complaints(schema: z.ZodType, value: unknown, at: Path = []): Complaint[] {
  const result = schema.safeParse(value);
  return result.success ? [] : result.error.issues.flatMap((issue) => explain(issue, value, at, schema));
}

/** Throws one CONFIG error that lists all complaints in the order of the file. */
export function refuse(source: YamlSource, found: readonly Complaint[]): never {
  const lines = found
    .map((c) => ({ ...c, line: lineOf(source, c.path) }))
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
    .map((c) => `${source.name}${c.line === undefined ? '' : `:${c.line}`}: ${c.path.length ? `${c.path.join('.')}: ` : ''}${c.text}`);
  throw new TiefsucheError('CONFIG', lines.join('\n'));
}

/** A value as a person would write it, cut to a readable length. */
export function show(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

// The line of the deepest part of the path that exists: a missing key is reported at its parent.
function lineOf(source: YamlSource, path: Path): number | undefined {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? source.document.contents : source.document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return source.lines.linePos(node.range[0]).line;
  }
  return undefined;
}

function explain(issue: z.core.$ZodIssue, root: unknown, at: Path, schema: z.ZodType): Complaint[] {
  const inner = issue.path as Path;
  const path = [...at, ...inner];
  const got = valueAt(root, inner);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], text: `there is no such key${suggestion(key, knownKeys(schema, inner))}` }));
    case 'invalid_type': {
      // zod asks an integer for being a number first.
      const expected = kind(issue.expected === 'number' && schemasAt(schema, inner).some(isInteger) ? 'int' : issue.expected);
      return [{ path, text: got === undefined ? `is missing; expected ${expected}` : `expected ${expected}, got ${show(got)}` }];
    }
    case 'invalid_value':
      return [{ path, text: `expected ${issue.values.map(show).join(' or ')}, got ${show(got)}${suggestion(String(got), issue.values.map(String))}` }];
    case 'too_small':
      return [{ path, text: `expected ${atLeast(issue)}, got ${show(got)}` }];
    case 'too_big':
      return [{ path, text: `expected ${sized(issue.origin)}at most ${issue.maximum}, got ${show(got)}` }];
    case 'invalid_union': {
      // The branch that came furthest is the one the writer meant.
      const branches = issue.errors.filter((b) => b.length > 0);
      const depth = (b: (typeof branches)[number]): number => Math.max(...b.map((i) => i.path.length + (i.code === 'unrecognized_keys' ? 1 : 0)));
      const deepest = branches.sort((a, b) => depth(b) - depth(a))[0];
      if (!deepest || depth(deepest) === 0) {
        const kinds = schemasAt(schema, inner).flatMap(kindsOf);
        return [{ path, text: `expected ${[...new Set(kinds)].join(' or ')}, got ${show(got)}` }];
      }
      return deepest.flatMap((i) => explain({ ...i, path: [...inner, ...i.path] } as z.core.$ZodIssue, root, at, schema));
    }
    default:
      return [{ path, text: `${issue.message}${got === undefined ? '' : `, got ${show(got)}`}` }];
  }
}

function atLeast(issue: { origin: string; minimum: number | bigint; inclusive?: boolean | undefined }): string {
  if (issue.origin === 'string' && issue.minimum === 1) return 'a text that is not empty';
  return `${sized(issue.origin)}${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
}

function sized(origin: string): string {
  return origin === 'array' ? 'a list with ' : origin === 'string' ? 'a text of length ' : '';
}

function kind(expected: string): string {
  const names: Record<string, string> = {
    number: 'a number', int: 'a whole number', string: 'a text', boolean: 'true or false', array: 'a list', object: 'a group of keys', record: 'a group of keys',
  };
  return names[expected] ?? expected;
}

function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  if (near !== undefined) return `; did you mean "${near}"?`;
  return known.length > 0 && known.length <= 12 ? `; known: ${known.join(', ')}` : '';
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<string | number, unknown> | undefined)?.[key], root);
}

// Walks the schema to the object that complained; unions offer the keys of all their branches.
function knownKeys(schema: z.ZodType, path: Path): string[] {
  return schemasAt(schema, path).flatMap((s) => Object.keys(shapeOf(s) ?? {}));
}

function schemasAt(schema: z.ZodType, path: Path): z.ZodType[] {
  let level: z.ZodType[] = [schema];
  for (const key of path) level = level.flatMap((s) => children(s, key));
  return level.flatMap(branches);
}

function isInteger(schema: z.ZodType): boolean {
  return (schema.def as { format?: string }).format === 'safeint';
}

function kindsOf(schema: z.ZodType): string[] {
  const def = schema.def as { type: string; values?: unknown[]; entries?: Record<string, unknown> };
  return (def.values ?? Object.values(def.entries ?? {})).map(show).concat(def.values || def.entries ? [] : kind(isInteger(schema) ? 'int' : def.type));
}

function branches(schema: z.ZodType): z.ZodType[] {
  const def = schema.def as { type: string; innerType?: z.ZodType; options?: z.ZodType[]; in?: z.ZodType };
  if (def.options) return def.options.flatMap(branches);
  if (def.innerType) return branches(def.innerType);
  return def.type === 'pipe' && def.in ? branches(def.in) : [schema];
}

function children(schema: z.ZodType, key: string | number): z.ZodType[] {
  return branches(schema).flatMap((b) => {
    const def = b.def as { element?: z.ZodType; valueType?: z.ZodType };
    const child = shapeOf(b)?.[String(key)] ?? def.element ?? def.valueType;
    return child ? [child] : [];
  });
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  return (schema.def as { shape?: Record<string, z.ZodType> }).shape;
}
