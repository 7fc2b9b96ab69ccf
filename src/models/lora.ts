// Low-rank adapters (Hu et al. 2021): y = W x + (α/r) · B A x on every linear layer, W frozen, A random, B zero.
// Groups (q, k, v) have one adapter a member, each writing its own columns, so that files look as PEFT expects.

import { TiefsucheError } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import type { Tensor } from '../engine/tensor.ts';
import { Parameters, type ParameterSpec, membersOf } from './parameters.ts';
import { lmHead } from './blocks.ts';

export interface LoraConfig { readonly rank: number; readonly alpha: number; /** Last parts of module names, as PEFT's target_modules; all linear layers by default. */ readonly targets?: readonly string[]; /** These weights alone. */ readonly weights?: ReadonlySet<string> }

export interface Adapter { readonly a: Tensor; readonly b: Tensor; /** Columns of the output it adds to. */ readonly row: number; readonly rows: number }

export interface Lora {
  readonly config: LoraConfig;
  readonly scaling: number;
  readonly parameters: Parameters;
  /** Adapters of a weight or group. */
  of(name: string): readonly Adapter[];
  close(): void;
}

/** PEFT's names of the two factors of a weight. */
export const adapterNames = (weight: string): { a: string; b: string } => {
  const path = weight.replace(/\.weight$/, '');
  return { a: `${path}.lora_A.weight`, b: `${path}.lora_B.weight` };
};

export function makeLora(backend: Backend, base: readonly ParameterSpec[], config: LoraConfig, options: { trainable: boolean }): Lora {
  const wanted = (s: ParameterSpec): boolean => s.shape.length === 2 && !s.stack && s.kind === 'matrix' && s.name !== lmHead &&
    (!config.targets || config.targets.some((t) => s.name.endsWith(`.${t}.weight`))) && (!config.weights || config.weights.has(s.name));
  const targets = base.filter(wanted);
  if (targets.length === 0) throw new TiefsucheError('CONFIG', `lora.targets ${JSON.stringify(config.targets ?? [])} name no linear layer of this model`, { hint: 'Known names end module paths: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.' });
  const specs = targets.flatMap((s): ParameterSpec[] => {
    const [rows, cols] = s.shape as [number, number], names = adapterNames(s.name);
    return [
      { name: names.a, shape: [config.rank, cols], kind: 'matrix', init: { std: 1 / Math.sqrt(3 * cols) } }, // variance of PEFT's kaiming_uniform(√5)
      { name: names.b, shape: [rows, config.rank], kind: 'matrix', init: { value: 0 } },
    ];
  });
  const parameters = new Parameters(backend, specs, options);
  const names = new Set(targets.map((s) => s.name));
  const adapters = new Map<string, Adapter[]>();
  for (const key of new Set(targets.flatMap((s) => [s.group ?? s.name]))) {
    adapters.set(key, membersOf(base, key).filter(({ spec }) => names.has(spec.name)).map(({ spec, row }) => {
      const { a, b } = adapterNames(spec.name);
      return { a: parameters.get(a), b: parameters.get(b), row, rows: spec.shape[0]! };
    }));
  }
  return { config, scaling: config.alpha / config.rank, parameters, of: (name) => adapters.get(name) ?? [], close: () => parameters.close() };
}

/** Weights with the adapters merged in: W + (α/r) B A. */
export function* applyLora<T extends { readonly name: string; readonly data: () => Float32Array }>(weights: Iterable<T>, lora: Lora): Generator<T> {
  for (const weight of weights) {
    yield lora.parameters.has(adapterNames(weight.name).a) ? { ...weight, data: () => merged(weight.name, weight.data(), lora) } : weight;
  }
}

function merged(name: string, weight: Float32Array, lora: Lora): Float32Array {
  const names = adapterNames(name), { rank } = lora.config;
  const a = lora.parameters.read(names.a), b = lora.parameters.read(names.b);
  const cols = a.length / rank, rows = b.length / rank;
  for (let i = 0; i < rows; i++) for (let r = 0; r < rank; r++) {
    const factor = lora.scaling * b[i * rank + r]!;
    if (factor !== 0) for (let j = 0; j < cols; j++) weight[i * cols + j]! += factor * a[r * cols + j]!;
  }
  return weight;
}
