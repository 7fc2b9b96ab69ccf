// Blocks that architectures share.

import { addOver } from '../engine/ops/add.ts';
import { rmsNorm } from '../engine/ops/rms-norm.ts';
import { swiglu } from '../engine/ops/swiglu.ts';
import type { Tensor } from '../engine/tensor.ts';
import type { ForwardContext } from './architecture.ts';
import type { ParameterSpec } from './parameters.ts';

export const embedTokens = 'model.embed_tokens.weight';
export const finalNorm = 'model.norm.weight';
export const lmHead = 'lm_head.weight';

export interface InitStd { readonly std: number; /** For projections back into the residual stream. */ readonly out: number }

/** Standard deviations from config: initializer_range; ours (`tiefsuche_init: "scaled"`) is 1/√fan-in, outputs also /√(2L). */
export function initStd(config: Readonly<Record<string, unknown>>, layers: number): (fanIn: number, output?: boolean) => { std: number } {
  if (config['tiefsuche_init'] === 'scaled') return (fanIn, output) => ({ std: 1 / Math.sqrt(fanIn) / (output ? Math.sqrt(2 * layers) : 1) });
  const range = typeof config['initializer_range'] === 'number' ? config['initializer_range'] : 0.02;
  return () => ({ std: range });
}

export const norm = (name: string, channels: number): ParameterSpec => ({ name, shape: [channels], kind: 'vector', init: { value: 1 } });

export const mlpSpecs = (prefix: string, channels: number, hidden: number, init: ReturnType<typeof initStd>): ParameterSpec[] => [
  { name: `${prefix}.gate_proj.weight`, shape: [hidden, channels], kind: 'matrix', init: init(channels), group: `${prefix}.gate_up` },
  { name: `${prefix}.up_proj.weight`, shape: [hidden, channels], kind: 'matrix', init: init(channels), group: `${prefix}.gate_up` },
  { name: `${prefix}.down_proj.weight`, shape: [channels, hidden], kind: 'matrix', init: init(hidden, true) },
];

/** Feed-forward, with SwiGLU or another gate: (T, C) → (T, C). */
export function mlp(context: ForwardContext, x: Tensor, prefix: string, gate = swiglu): Tensor {
  return context.linear(gate(context.tape, context.linear(x, `${prefix}.gate_up`)), `${prefix}.down_proj.weight`);
}

/** Pre-norm residual block: x + f(norm(x)). */
export function residual(context: ForwardContext, x: Tensor, normName: string, eps: number, f: (normed: Tensor) => Tensor): Tensor {
  return addOver(context.tape, x, f(rmsNorm(context.tape, x, context.weight(normName), eps)));
}

export function outerSpecs(vocab: number, channels: number, tied: boolean, range: number): { first: ParameterSpec[]; last: ParameterSpec[] } {
  return {
    first: [{ name: embedTokens, shape: [vocab, channels], kind: 'embedding', init: { std: range } }],
    last: [norm(finalNorm, channels), ...(tied ? [] : [{ name: lmHead, shape: [vocab, channels], kind: 'head', init: { std: range } } as const])],
  };
}
