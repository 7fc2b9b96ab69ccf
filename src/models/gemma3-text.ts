// Gemma 3 (arXiv 2503.19786), text: grouped queries with QK-norm, GeGLU, norms before and after each block, embeddings
// times √C, a weight of a norm counts from 1. Most layers see a window and turn with a theta of their own; each sixth
// (`sliding_window_pattern`, `layer_types`) sees all, with its own theta and scaling. Queries are divided by √query_pre_attn_scalar.
//   x += norm(attention(norm(x)));  x += norm(geglu(norm(x)))

import { addOver, scale } from '../engine/ops/add.ts';
import { geglu } from '../engine/ops/geglu.ts';
import { rmsNorm } from '../engine/ops/rms-norm.ts';
import { rope } from '../engine/ops/rope.ts';
import type { Rope } from '../engine/rope-table.ts';
import { type Tensor, columns } from '../engine/tensor.ts';
import type { Architecture, ForwardContext } from './architecture.ts';
import { embedTokens, finalNorm, initStd, lmHead, mlp, mlpSpecs } from './blocks.ts';
import { type ConfigJson, boolean, expectValue, number, positive, ropeOf } from './config.ts';
import type { ParameterSpec } from './parameters.ts';

interface Sizes { readonly C: number; readonly L: number; readonly Hq: number; readonly Hkv: number; readonly D: number; readonly F: number; readonly eps: number }

// transformers' defaults are those of the 4B model's text side
const sizes = (config: ConfigJson): Sizes => ({
  C: positive(config, 'hidden_size', 2304), L: positive(config, 'num_hidden_layers', 26), Hq: positive(config, 'num_attention_heads', 8),
  Hkv: positive(config, 'num_key_value_heads', 4), D: positive(config, 'head_dim', 256), F: positive(config, 'intermediate_size', 9216), eps: number(config, 'rms_norm_eps', 1e-6),
});

function isLocal(config: ConfigJson, layer: number): boolean {
  const types = config['layer_types'], pattern = { n: config['sliding_window_pattern'] ?? config['_sliding_window_pattern'] };
  return Array.isArray(types) ? types[layer] === 'sliding_attention' : (layer + 1) % positive(pattern, 'n', 6) !== 0;
}

/** Rotations of the layers that see all, and of the others: nested by layer type since transformers 5, apart before. */
function ropes(config: ConfigJson, D: number): { full: Rope; local: Rope } {
  const nested = config['rope_parameters'] as Readonly<Record<string, object | null>> | null | undefined;
  if (!nested) return { full: ropeOf({ rope_theta: config['rope_theta'] ?? 1e6, rope_scaling: config['rope_scaling'] }, D), local: ropeOf({ rope_theta: config['rope_local_base_freq'] ?? 1e4 }, D) };
  const of = (type: string, theta: number): Rope => ropeOf({ rope_parameters: { rope_theta: theta, ...nested[type] } }, D);
  return { full: of('full_attention', 1e6), local: of('sliding_attention', 1e4) };
}

const windowOf = (config: ConfigJson): number => positive(config, 'sliding_window', 4096);
const isTied = (config: ConfigJson): boolean => boolean(config, 'tie_word_embeddings', true);

const fromOne = (name: string, channels: number): ParameterSpec => ({ name, shape: [channels], kind: 'vector', init: { value: 0 } });
const normed = ({ tape, weight }: ForwardContext, x: Tensor, name: string, eps: number): Tensor => rmsNorm(tape, x, weight(`${name}.weight`), eps, 1);

function attentionBlock(context: ForwardContext, config: ConfigJson, s: Sizes, i: number, h: Tensor): Tensor {
  const { Hq, Hkv, D, eps } = s, { tape, positions } = context, at = `model.layers.${i}.self_attn`, local = isLocal(config, i);
  const qkv = context.linear(h, `${at}.qkv`), table = local ? context.localRopeTable : context.ropeTable;
  const turned = (x: Tensor, name: string, heads: number): Tensor => rope(tape, normed(context, x, name, eps), table, positions, { heads, headStride: D, start: 0, layout: 'half' });
  const q = turned(columns(qkv, 0, Hq * D), `${at}.q_norm`, Hq), k = turned(columns(qkv, Hq * D, Hkv * D), `${at}.k_norm`, Hkv);
  const out = context.attend(i, { tensor: q, stride: D }, { tensor: k, stride: D }, { tensor: columns(qkv, (Hq + Hkv) * D, Hkv * D), stride: D },
    { queryHeads: Hq, keyHeads: Hkv, D, Dv: D, scale: number(config, 'query_pre_attn_scalar', 256) ** -0.5, window: local ? windowOf(config) : 0 });
  return context.linear(out, `${at}.o_proj.weight`);
}

export const gemma3Text: Architecture = {
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',

  dimensions(config) {
    expectValue(config, 'hidden_activation', ['gelu_pytorch_tanh']);
    for (const key of ['attn_logit_softcapping', 'final_logit_softcapping']) expectValue(config, key, []);
    expectValue(config, 'use_bidirectional_attention', [false]);
    const { C, L, Hq, Hkv, D, eps } = sizes(config), { full, local } = ropes(config, D);
    expectValue({ grouping: Hq % Hkv === 0 }, 'grouping', [true]);
    return {
      vocab: positive(config, 'vocab_size', 262208), channels: C, layers: L, maxPositions: positive(config, 'max_position_embeddings', 131072),
      rope: full, localRope: local, cache: { keyHeads: Hkv, D, Dv: D }, tied: isTied(config), normEps: eps, normOffset: 1,
    };
  },

  settings(config) {
    const { C, L, Hq, Hkv, D, F, eps } = sizes(config), { vocab, maxPositions, rope: full, localRope } = this.dimensions(config);
    return {
      vocab_size: vocab, hidden_size: C, num_hidden_layers: L, num_attention_heads: Hq, num_key_value_heads: Hkv, head_dim: D, intermediate_size: F,
      hidden_activation: 'gelu_pytorch_tanh', max_position_embeddings: maxPositions, rms_norm_eps: eps, tie_word_embeddings: isTied(config),
      query_pre_attn_scalar: number(config, 'query_pre_attn_scalar', 256), sliding_window: windowOf(config),
      layer_types: Array.from({ length: L }, (_, i) => (isLocal(config, i) ? 'sliding_attention' : 'full_attention')),
      ...(!config['rope_parameters'] && { rope_theta: full.theta, rope_local_base_freq: localRope!.theta }),
    };
  },

  parameters(config) {
    const { C, L, Hq, Hkv, D, F } = sizes(config), init = initStd(config, L), range = number(config, 'initializer_range', 0.02), bias = boolean(config, 'attention_bias', false);
    const vocab = positive(config, 'vocab_size', 262208), qkv = [['q', Hq], ['k', Hkv], ['v', Hkv]] as const;
    const layer = (i: number): ParameterSpec[] => {
      const at = `model.layers.${i}`;
      return [
        fromOne(`${at}.input_layernorm.weight`, C),
        ...qkv.map(([p, heads]): ParameterSpec => ({ name: `${at}.self_attn.${p}_proj.weight`, shape: [heads * D, C], kind: 'matrix', init: init(C), group: `${at}.self_attn.qkv` })),
        ...(bias ? qkv.map(([p, heads]): ParameterSpec => ({ name: `${at}.self_attn.${p}_proj.bias`, shape: [heads * D], kind: 'vector', init: { value: 0 }, group: `${at}.self_attn.qkv.bias` })) : []),
        fromOne(`${at}.self_attn.q_norm.weight`, D), fromOne(`${at}.self_attn.k_norm.weight`, D),
        { name: `${at}.self_attn.o_proj.weight`, shape: [C, Hq * D], kind: 'matrix', init: init(Hq * D, true) },
        ...(bias ? [{ name: `${at}.self_attn.o_proj.bias`, shape: [C], kind: 'vector', init: { value: 0 } } as const] : []),
        ...['post_attention', 'pre_feedforward', 'post_feedforward'].map((n) => fromOne(`${at}.${n}_layernorm.weight`, C)),
        ...mlpSpecs(`${at}.mlp`, C, F, init),
      ];
    };
    return [
      { name: embedTokens, shape: [vocab, C], kind: 'embedding', init: { std: range } }, ...Array.from({ length: L }, (_, i) => layer(i)).flat(), fromOne(finalNorm, C),
      ...(isTied(config) ? [] : [{ name: lmHead, shape: [vocab, C], kind: 'head', init: { std: range } } as const]),
    ];
  },

  layers(context, config, x) {
    const s = sizes(config), { tape } = context;
    x = scale(tape, x, Math.sqrt(s.C));
    for (let i = 0; i < s.L; i++) {
      const at = `model.layers.${i}`;
      x = tape.segment(x, (x) => {
        const attended = attentionBlock(context, config, s, i, normed(context, x, `${at}.input_layernorm`, s.eps));
        const y = addOver(tape, x, normed(context, attended, `${at}.post_attention_layernorm`, s.eps));
        const inner = mlp(context, normed(context, y, `${at}.pre_feedforward_layernorm`, s.eps), `${at}.mlp`, geglu);
        return addOver(tape, y, normed(context, inner, `${at}.post_feedforward_layernorm`, s.eps));
      });
    }
    return x;
  },
};
