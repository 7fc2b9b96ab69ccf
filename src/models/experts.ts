// Routed experts, as files name them: PREFIX.gate.weight (E, C), the router, and PREFIX.experts.N.{gate,up,down}_proj.weight.
//   y = Σ_k w_k down_k(silu(gate_k x) · up_k x) over the K experts that the router chooses (ops/moe-route.ts).

import { moeCombine, moeGather, moeSort } from '../engine/ops/moe-experts.ts';
import { type RouteOptions, moeRoute } from '../engine/ops/moe-route.ts';
import { swiglu } from '../engine/ops/swiglu.ts';
import type { Tensor } from '../engine/tensor.ts';
import type { ForwardContext } from './architecture.ts';
import type { initStd } from './blocks.ts';
import type { ParameterSpec } from './parameters.ts';

/** Name of the bias that DeepSeek-V3 chooses experts with. */
export const routerBias = (prefix: string): string => `${prefix}.gate.e_score_correction_bias`;

/** @param sizes C channels, `count` experts of `hidden` channels inside each */
export function expertSpecs(prefix: string, { C, count, hidden }: { C: number; count: number; hidden: number }, init: ReturnType<typeof initStd>, options: { bias?: boolean } = {}): ParameterSpec[] {
  const experts = Array.from({ length: count }, (_, e) => `${prefix}.experts.${e}`);
  const member = (name: string, rows: number, cols: number, group: string, output: boolean): ParameterSpec =>
    ({ name: `${name}.weight`, shape: [rows, cols], kind: 'matrix', init: init(cols, output), group: `${prefix}.experts.${group}`, stack: count });
  return [
    { name: `${prefix}.gate.weight`, shape: [count, C], kind: 'head', init: init(C) }, // AdamW: routers are not hidden matrices
    ...(options.bias ? [{ name: routerBias(prefix), shape: [count], kind: 'buffer', init: { value: 0 } } as const] : []),
    ...experts.flatMap((e) => ['gate_proj', 'up_proj'].map((p) => member(`${e}.${p}`, hidden, C, 'gate_up', false))),
    ...experts.map((e) => member(`${e}.down_proj`, C, hidden, 'down', true)),
  ];
}

/** h (T, C) → (T, C). `bias` (E) chooses, it never weighs. */
export function routedExperts(context: ForwardContext, prefix: string, layer: number, h: Tensor, bias: Tensor | null, options: RouteOptions): Tensor {
  const { tape } = context, logits = context.linear(h, `${prefix}.gate.weight`);
  const { experts, weights, balanceLoss } = moeRoute(tape, logits, bias, options);
  if (balanceLoss) context.auxiliaryLoss('balance', balanceLoss);
  const slots = moeSort(tape, experts, logits.shape[1]!);
  context.countExperts(layer, slots.offsets);
  const inner = swiglu(tape, context.grouped(moeGather(tape, h, slots), `${prefix}.experts.gate_up`, slots));
  return moeCombine(tape, context.grouped(inner, `${prefix}.experts.down`, slots), weights, slots);
}
