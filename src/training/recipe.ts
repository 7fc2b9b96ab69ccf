// A recipe says everything about a run: YAML, checked before anything is computed. What a stage may say is brought by its
// method (one zod schema per method's file), what a model may say by its architecture; this file knows only the frame.
// The resolved recipe, with all defaults and in one order of keys, is what a run records and a replay repeats.
import { isAlias, visit, parse as parseScalar, stringify } from 'yaml';
import { z } from 'zod';
import { complaints, parseYaml, refuse, show, type Complaint, type YamlSource } from '../checked-yaml.ts';
import { TiefsucheError } from '../errors.ts';
import { nearest } from '../nearest.ts';

/** What the rooms bring: schemas by name. A part that is not given accepts any keys. */
export interface RecipeParts {
  /** By `method`, without the key `method` itself. */
  methods: Record<string, z.ZodObject>;
  /** By `type`, Hugging Face's model_type, without the key `type` itself. */
  models?: Record<string, z.ZodObject>;
  tokenizer?: z.ZodType<Record<string, unknown>>;
  evaluation?: z.ZodType<Record<string, unknown>>;
  lora?: z.ZodType<Record<string, unknown>>;
}

export type Stage<P extends RecipeParts = RecipeParts> =
  { [M in keyof P['methods'] & string]: { method: M } & z.output<P['methods'][M]> }[keyof P['methods'] & string];

export interface Recipe<P extends RecipeParts = RecipeParts> {
  name: string;
  why: string;
  seed: number;
  /** Names of earlier runs whose cost led to this one, though their weights are not used. */
  builds_on: string[];
  model: { from: string } | ({ type: string } & Record<string, unknown>);
  tokenizer: Record<string, unknown>;
  /** Trains low-rank adapters instead of the weights. */
  lora?: Record<string, unknown>;
  /** Keeps the input of each layer alone for the way back, and computes the rest again: less memory, a third more work. */
  recompute?: boolean;
  stages: Stage<P>[];
  evaluation: Record<string, unknown>;
  checkpoints: { every: number; keep: { last: number; best: boolean } };
}

const anything = z.record(z.string(), z.json());

const frame = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected a name of letters, digits, ".", "_" and "-", 64 at most'),
  why: z.string().trim().min(1).regex(/^[^\n]*$/, 'expected one line'),
  seed: z.int().min(0).default(1),
  builds_on: z.array(z.string()).default([]),
  model: anything,
  tokenizer: anything.default({}),
  lora: anything.optional(),
  recompute: z.boolean().optional(),
  stages: z.array(z.looseObject({})).min(1),
  evaluation: anything.default({}),
  checkpoints: z.strictObject({
    /** Steps between checkpoints; the last step of a stage is always saved. */
    every: z.int().min(1).default(100),
    keep: z.strictObject({ last: z.int().min(1).default(2), best: z.boolean().default(true) }).prefault({}),
  }).prefault({}),
});

/**
 * Reads a recipe; all mistakes are reported in one error, with their lines.
 * @param name what errors call it, usually the file name
 * @param overrides `path=value` as given to --set; the value is read as YAML
 */
export function parseRecipe<P extends RecipeParts>(text: string, parts: P, { name = 'recipe', overrides = [] as readonly string[] } = {}): Recipe<P> {
  const source = parseYaml(text, name);
  requireTree(source);
  for (const override of overrides) applyOverride(source, override);
  const raw = (source.document.toJS() ?? {}) as Record<string, unknown>;
  const found = [
    ...complaints(frame, raw),
    ...modelComplaints(raw.model, parts),
    ...stageComplaints(raw.stages, parts),
    ...(['tokenizer', 'lora', 'evaluation'] as const).flatMap((part) => (parts[part] && raw[part] !== undefined ? complaints(parts[part], raw[part], [part]) : [])),
  ];
  if (found.length > 0) refuse(source, found);
  return resolve(raw, parts);
}

/** The resolved recipe as YAML; equal recipes give equal bytes. */
export function formatRecipe(recipe: Omit<Recipe, 'stages'> & { stages: readonly object[] }): string {
  return stringify(recipe, { lineWidth: 0, aliasDuplicateObjects: false });
}

function resolve<P extends RecipeParts>(raw: Record<string, unknown>, parts: P): Recipe<P> {
  const { model, tokenizer, lora, evaluation, stages, ...rest } = frame.parse(raw);
  const { name, why, seed, builds_on, recompute, checkpoints } = rest;
  return {
    name, why, seed, builds_on,
    model: resolveModel(model, parts),
    tokenizer: parts.tokenizer?.parse(tokenizer) ?? sorted(tokenizer),
    ...(lora && { lora: parts.lora?.parse(lora) ?? sorted(lora) }),
    ...(recompute && { recompute }),
    stages: stages.map(({ method, ...fields }) => ({ method, ...parts.methods[method as string]!.parse(fields) })) as Stage<P>[],
    evaluation: parts.evaluation?.parse(evaluation) ?? sorted(evaluation),
    checkpoints,
  };
}

function resolveModel({ type, from, ...config }: Record<string, unknown>, parts: RecipeParts): Recipe['model'] {
  if (typeof from === 'string') return { from };
  return { type: type as string, ...(parts.models?.[type as string]?.parse(config) ?? sorted(config)) };
}

function modelComplaints(model: unknown, parts: RecipeParts): Complaint[] {
  if (typeof model !== 'object' || model === null || Array.isArray(model)) return [];
  const { type, from, ...config } = model as Record<string, unknown>;
  if ((type === undefined) === (from === undefined)) {
    return [{ path: ['model'], text: 'expected either `type` (a new model) or `from` (a run or folder to start from)' }];
  }
  if (from !== undefined) {
    if (typeof from !== 'string') return [{ path: ['model', 'from'], text: `expected a run name or a path, got ${show(from)}` }];
    return Object.keys(config).map((key) => ({ path: ['model', key], text: 'a model taken `from` elsewhere brings its own configuration; remove this key' }));
  }
  if (typeof type !== 'string' || (parts.models && !Object.hasOwn(parts.models, type))) return [unknownName(['model', 'type'], type, Object.keys(parts.models ?? {}))];
  return parts.models ? complaints(parts.models[type]!, config, ['model']) : [];
}

function stageComplaints(stages: unknown, parts: RecipeParts): Complaint[] {
  if (!Array.isArray(stages)) return [];
  return stages.flatMap((stage: unknown, i): Complaint[] => {
    if (typeof stage !== 'object' || stage === null || Array.isArray(stage)) return [];
    const { method, ...fields } = stage as Record<string, unknown>;
    if (typeof method !== 'string' || !Object.hasOwn(parts.methods, method)) return [unknownName(['stages', i, 'method'], method, Object.keys(parts.methods))];
    return complaints(parts.methods[method]!, fields, ['stages', i]);
  });
}

function unknownName(path: Complaint['path'], got: unknown, known: readonly string[]): Complaint {
  const near = typeof got === 'string' ? nearest(got, known) : undefined;
  const choice = known.length > 0 ? `expected ${known.join(' or ')}` : 'expected a name';
  return { path, text: got === undefined ? `is missing; ${choice}` : `${choice}, got ${show(got)}${near === undefined ? '' : `; did you mean "${near}"?`}` };
}

// Stages may be named by their method (stages.grpo.steps), and `training` means the stage when there is only one.
function applyOverride(source: YamlSource, override: string): void {
  const split = override.indexOf('=');
  if (split < 1) throw new TiefsucheError('USAGE', `--set ${override}: expected path=value`, { hint: 'for example --set stages.0.steps=100' });
  const path = override.slice(0, split).split('.');
  if (path.some((key) => key === '' || key === '__proto__')) throw new TiefsucheError('USAGE', `--set ${override}: "${path.join('.')}" is not a path`);
  let value: unknown;
  try {
    value = parseScalar(override.slice(split + 1));
  } catch (error) {
    throw new TiefsucheError('USAGE', `--set ${override}: the value is not valid YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  const resolved = stagePath(source, path, override);
  try {
    source.document.setIn(resolved, value);
  } catch {
    throw new TiefsucheError('USAGE', `--set ${override}: the recipe has no group of keys at ${path.slice(0, -1).join('.')}`);
  }
}

function stagePath(source: YamlSource, path: readonly string[], override: string): (string | number)[] {
  const stages = (source.document.toJS() as { stages?: unknown } | null)?.stages;
  const methods = Array.isArray(stages) ? stages.map((s: { method?: unknown } | null) => s?.method) : [];
  const [first, second, ...rest] = path;
  if (first === 'training') {
    if (methods.length === 1) return ['stages', 0, ...path.slice(1)];
    throw new TiefsucheError('USAGE', `--set ${override}: this recipe has ${methods.length} stages`,
      { hint: `say which: ${methods.map((m, i) => `stages.${methods.filter((o) => o === m).length === 1 ? String(m) : i}.${path.slice(1).join('.')}`).join(' or ')}` });
  }
  if (first !== 'stages' || second === undefined) return [...path];
  if (/^\d+$/.test(second)) {
    if (Number(second) < methods.length) return ['stages', Number(second), ...rest];
  } else if (methods.filter((m) => m === second).length === 1) {
    return ['stages', methods.indexOf(second), ...rest];
  }
  throw new TiefsucheError('USAGE', `--set ${override}: there is no single stage "${second}"`, { hint: `stages of this recipe: ${methods.map((m, i) => `${i} (${String(m)})`).join(', ')}` });
}

// Aliases would let one line stand for a billion, and make a line number ambiguous.
function requireTree(source: YamlSource): void {
  visit(source.document, {
    Alias: (_, node) => { if (isAlias(node)) refuse(source, [{ path: [], text: `aliases (*${node.source}) are not used in recipes; write the value out` }]); },
  });
}

function sorted(value: Record<string, unknown>): Record<string, unknown> {
  const walk = (v: unknown): unknown => Array.isArray(v) ? v.map(walk)
    : typeof v === 'object' && v !== null ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, x]) => [k, walk(x)])) : v;
  return walk(value) as Record<string, unknown>;
}
