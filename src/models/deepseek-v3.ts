// DeepSeek-V3 (arXiv 2412.19437): multi-head latent attention, DeepSeekMoE with bias-balanced routing, shared experts,
// multi-token prediction.
//   MLA (eq. 1–11), expanded form in training and sampling alike: c_q = norm(W_DQ h), q = W_UQ c_q; [c_kv ; k_r] = W_DKV h,
//   [k_c ; v] = W_UKV norm(c_kv); rotation (interleaved) on q_r and on k_r, which all heads share; scale (nope + rope)^-½ · m².
//   MoE (eq. 12–16): layers from first_k_dense_replace on; routing in ops/moe-route.ts.
//   MTP (eq. 21–25), in the layout of the released weights: module k stands as layer L + k,
//   h' = eh_proj [enorm(Emb(t_{i+k})) ; hnorm(h)], with h after the final norm; then a whole layer and shared_head.norm.
// The latents are normed with eps 1e-6 whatever rms_norm_eps says: transformers does so.

import { addOver } from '../engine/ops/add.ts';
import { concatColumns } from '../engine/ops/concat-columns.ts';
import { mlaKeys } from '../engine/ops/mla-keys.ts';
import type { RouteOptions } from '../engine/ops/moe-route.ts';
import { rmsNorm } from '../engine/ops/rms-norm.ts';
import { rope } from '../engine/ops/rope.ts';
import { yarnAttentionScale } from '../engine/rope-table.ts';
import { type Tensor, columns } from '../engine/tensor.ts';
import type { Architecture, ForwardContext } from './architecture.ts';
import { initStd, mlp, mlpSpecs, norm, outerSpecs, residual } from './blocks.ts';
import { type ConfigJson, boolean, commonSettings, expectValue, integer, number, positive, ropeOf } from './config.ts';
import { expertSpecs, routedExperts, routerBias } from './experts.ts';
import type { ParameterSpec } from './parameters.ts';

/** What differs between DeepSeek's architectures; deepseek-v2.ts is the other. */
export interface DeepseekVariant {
  readonly modelType: string;
  readonly className: string;
  /** Experts are chosen with a bias that evens out their load. */
  readonly routerBias: boolean;
  readonly route: (config: ConfigJson) => Omit<RouteOptions, 'topk' | 'balance'>;
  /** The same in the words of config.json, and everything else that only this variant has. */
  readonly settings: (config: ConfigJson) => Record<string, unknown>;
}

const latentEps = 1e-6;

interface Sizes {
  readonly C: number; readonly L: number; readonly H: number; readonly F: number; readonly eps: number;
  readonly qRank: number; readonly kvRank: number; readonly nope: number; readonly rope: number; readonly v: number;
  readonly E: number; readonly K: number; readonly expertF: number; readonly shared: number; readonly dense: number; readonly mtp: number;
  readonly bias: boolean;
}

function sizes(config: ConfigJson): Sizes {
  return {
    C: positive(config, 'hidden_size'), L: positive(config, 'num_hidden_layers'), H: positive(config, 'num_attention_heads'),
    F: positive(config, 'intermediate_size'), eps: number(config, 'rms_norm_eps', 1e-6),
    qRank: integer(config, 'q_lora_rank', 0), kvRank: positive(config, 'kv_lora_rank'),
    nope: positive(config, 'qk_nope_head_dim'), rope: positive(config, 'qk_rope_head_dim'), v: positive(config, 'v_head_dim'),
    E: integer(config, 'n_routed_experts', 0), K: positive(config, 'num_experts_per_tok', 1), expertF: positive(config, 'moe_intermediate_size', 1),
    shared: integer(config, 'n_shared_experts', 0), dense: integer(config, 'first_k_dense_replace', 0), mtp: integer(config, 'num_nextn_predict_layers', 0),
    bias: boolean(config, 'attention_bias', false),
  };
}

/** With biases, a full-rank q_proj has none while kv_a_proj has one: then they are two products. */
const isFused = (s: Sizes): boolean => !s.bias || s.qRank > 0;

const isMoe = (s: Sizes, layer: number): boolean => s.E > 0 && layer >= s.dense;

function layerSpecs(variant: DeepseekVariant, s: Sizes, i: number, init: ReturnType<typeof initStd>): ParameterSpec[] {
  const layer = `model.layers.${i}`, at = `${layer}.self_attn`, queryOut = s.H * (s.nope + s.rope);
  const matrix = (name: string, rows: number, cols: number, group?: string, output = false): ParameterSpec =>
    ({ name: `${name}.weight`, shape: [rows, cols], kind: 'matrix', init: init(cols, output), ...(group && { group }) });
  const bias = (name: string, rows: number, group?: string): ParameterSpec[] =>
    (s.bias ? [{ name: `${name}.bias`, shape: [rows], kind: 'vector', init: { value: 0 }, ...(group && { group }) }] : []);
  const down = isFused(s) ? `${at}.down` : undefined; // the projections of the layer's input in one product
  return [
    norm(`${layer}.input_layernorm.weight`, s.C),
    s.qRank > 0 ? matrix(`${at}.q_a_proj`, s.qRank, s.C, down) : matrix(`${at}.q_proj`, queryOut, s.C, down),
    matrix(`${at}.kv_a_proj_with_mqa`, s.kvRank + s.rope, s.C, down),
    ...(s.qRank > 0 ? bias(`${at}.q_a_proj`, s.qRank, `${at}.down.bias`) : []),
    ...bias(`${at}.kv_a_proj_with_mqa`, s.kvRank + s.rope, down && `${down}.bias`),
    ...(s.qRank > 0 ? [norm(`${at}.q_a_layernorm.weight`, s.qRank), matrix(`${at}.q_b_proj`, queryOut, s.qRank)] : []),
    norm(`${at}.kv_a_layernorm.weight`, s.kvRank),
    { ...matrix(`${at}.kv_b_proj`, s.H * (s.nope + s.v), s.kvRank), f32: true }, // absorbed attention multiplies with its transposed parts
    matrix(`${at}.o_proj`, s.C, s.H * s.v, undefined, true),
    ...bias(`${at}.o_proj`, s.C),
    norm(`${layer}.post_attention_layernorm.weight`, s.C),
    ...(!isMoe(s, i) ? mlpSpecs(`${layer}.mlp`, s.C, s.F, init) : [
      ...expertSpecs(`${layer}.mlp`, { C: s.C, count: s.E, hidden: s.expertF }, init, { bias: variant.routerBias }),
      ...(s.shared > 0 ? mlpSpecs(`${layer}.mlp.shared_experts`, s.C, s.shared * s.expertF, init) : []),
    ]),
  ];
}

function attentionBlock(context: ForwardContext, config: ConfigJson, s: Sizes, i: number, h: Tensor): Tensor {
  const { tape, positions, ropeTable } = context;
  const at = `model.layers.${i}.self_attn`, D = s.nope + s.rope, first = s.qRank > 0 ? s.qRank : s.H * D;
  const down = isFused(s) ? context.linear(h, `${at}.down`) : null;
  let q = down ? columns(down, 0, first) : context.linear(h, `${at}.q_proj.weight`);
  const kva = down ? columns(down, first, s.kvRank + s.rope) : context.linear(h, `${at}.kv_a_proj_with_mqa.weight`);
  if (s.qRank > 0) q = context.linear(rmsNorm(tape, q, context.weight(`${at}.q_a_layernorm.weight`), latentEps), `${at}.q_b_proj.weight`);
  const latent = rmsNorm(tape, columns(kva, 0, s.kvRank), context.weight(`${at}.kv_a_layernorm.weight`), latentEps);
  const layout = boolean(config, 'rope_interleave', true) ? 'interleaved' : 'half';
  rope(tape, q, ropeTable, positions, { heads: s.H, headStride: D, start: s.nope, layout });
  const kr = rope(tape, columns(kva, s.kvRank, s.rope), ropeTable, positions, { heads: 1, headStride: s.rope, start: 0, layout });
  const scale = D ** -0.5 * yarnAttentionScale(ropeOf(config, s.rope).yarn);
  if (context.absorbed) return context.linear(absorbedAttention(context, s, i, q, latent, kr, scale), `${at}.o_proj.weight`);
  const kvb = context.linear(latent, `${at}.kv_b_proj.weight`);
  const k = mlaKeys(tape, kvb, kr, { heads: s.H, nope: s.nope, rope: s.rope, v: s.v });
  const out = context.attend(i, { tensor: q, stride: D }, { tensor: k, stride: D }, { tensor: kvb, start: s.nope, stride: s.nope + s.v },
    { queryHeads: s.H, keyHeads: s.H, D, Dv: s.v, scale });
  return context.linear(out, `${at}.o_proj.weight`);
}

/**
 * The same attention with W_UK moved to the queries and W_UV to the result: q̃_h = q_c W_UK,h, keys [c_kv ; k_r] and values
 * c_kv, one head of them for all queries. The cache holds kv_rank + rope values a token instead of H (nope + rope + v).
 */
function absorbedAttention({ tape, weight, attend }: ForwardContext, s: Sizes, i: number, q: Tensor, latent: Tensor, kr: Tensor, scale: number): Tensor {
  const R = q.shape[0], D = s.nope + s.rope, wide = s.kvRank + s.rope, up = weight(`model.layers.${i}.self_attn.kv_b_proj.weight`);
  const rowsOf = (first: number): Tensor => ({ ...up, offset: up.offset + first * s.kvRank });
  const heads = Array.from({ length: s.H }, (_, h) => ({ keys: rowsOf(h * (s.nope + s.v)), values: rowsOf(h * (s.nope + s.v) + s.nope), h }));
  const queries = tape.temp([R, s.H * wide], 'f32', 'absorbed queries'), out = tape.temp([R, s.H * s.v], 'f32', 'attention');
  for (const { keys, h } of heads) {
    const from = columns(q, h * D, D), to = columns(queries, h * wide, wide), rotated = columns(from, s.nope, s.rope);
    tape.emit('matmul', [from, keys, to], [R, s.kvRank, s.nope, q.ld, s.kvRank, queries.ld, 0, 0, 0, 1]);
    tape.emit('copyColumns', [rotated, columns(to, s.kvRank, s.rope)], [R, s.rope, q.ld, queries.ld, 0]);
  }
  const context = attend(i, { tensor: queries, stride: wide }, { tensor: concatColumns(tape, latent, kr), stride: wide }, { tensor: latent, stride: s.kvRank },
    { queryHeads: s.H, keyHeads: 1, D: wide, Dv: s.kvRank, scale });
  for (const { values, h } of heads) {
    tape.emit('matmul', [columns(context, h * s.kvRank, s.kvRank), values, columns(out, h * s.v, s.v)], [R, s.v, s.kvRank, context.ld, s.kvRank, out.ld, 0, 1, 0, 1]);
  }
  return out;
}

function moeBlock(context: ForwardContext, variant: DeepseekVariant, config: ConfigJson, s: Sizes, i: number, h: Tensor): Tensor {
  const prefix = `model.layers.${i}.mlp`, alpha = number(config, 'aux_loss_alpha', 0), bias = variant.routerBias ? context.weight(routerBias(prefix)) : null;
  const routed = routedExperts(context, prefix, i, h, bias, {
    ...variant.route(config), topk: s.K,
    balance: alpha > 0 && context.documents ? { documents: context.documents, coefficient: alpha / context.documents.lengths.length } : undefined,
  });
  return s.shared > 0 ? addOver(context.tape, routed, mlp(context, h, `${prefix}.shared_experts`)) : routed;
}

function block(context: ForwardContext, variant: DeepseekVariant, config: ConfigJson, s: Sizes, i: number, x: Tensor): Tensor {
  return context.tape.segment(x, (x) => {
    const y = residual(context, x, `model.layers.${i}.input_layernorm.weight`, s.eps, (h) => attentionBlock(context, config, s, i, h));
    return residual(context, y, `model.layers.${i}.post_attention_layernorm.weight`, s.eps,
      (h) => (isMoe(s, i) ? moeBlock(context, variant, config, s, i, h) : mlp(context, h, `model.layers.${i}.mlp`)));
  });
}

export const deepseekLike = (variant: DeepseekVariant): Architecture => ({
  modelType: variant.modelType,
  className: variant.className,

  dimensions(config) {
    expectValue(config, 'hidden_act', ['silu']);
    const s = sizes(config);
    const moeLayers = Array.from({ length: s.L + s.mtp }, (_, i) => i).filter((i) => isMoe(s, i));
    return {
      vocab: positive(config, 'vocab_size'), channels: s.C, layers: s.L, maxPositions: positive(config, 'max_position_embeddings', 4096),
      rope: ropeOf(config, s.rope), cache: { keyHeads: s.H, D: s.nope + s.rope, Dv: s.v }, absorbedCache: { keyHeads: 1, D: s.kvRank + s.rope, Dv: s.kvRank },
      tied: boolean(config, 'tie_word_embeddings', false), normEps: s.eps,
      ...(moeLayers.length > 0 && { moe: { layers: moeLayers, experts: s.E } }), ...(s.mtp > 0 && { mtp: s.mtp }),
    };
  },

  settings(config) {
    const s = sizes(config), { maxPositions, rope } = this.dimensions(config);
    return {
      ...commonSettings(config, { maxPositions, eps: s.eps, rope }), num_key_value_heads: s.H, q_lora_rank: s.qRank || null, moe_intermediate_size: s.expertF,
      first_k_dense_replace: s.E > 0 ? s.dense : s.L, n_routed_experts: s.E, n_shared_experts: s.shared, num_experts_per_tok: s.K,
      n_group: positive(config, 'n_group', 1), topk_group: positive(config, 'topk_group', 1), routed_scaling_factor: number(config, 'routed_scaling_factor', 1),
      ...variant.settings(config),
    };
  },

  parameters(config) {
    const s = sizes(config), init = initStd(config, s.L);
    const outer = outerSpecs(positive(config, 'vocab_size'), s.C, boolean(config, 'tie_word_embeddings', false), number(config, 'initializer_range', 0.02));
    const modules = Array.from({ length: s.mtp }, (_, k): ParameterSpec[] => {
      const layer = `model.layers.${s.L + k}`;
      return [
        norm(`${layer}.enorm.weight`, s.C), norm(`${layer}.hnorm.weight`, s.C),
        { name: `${layer}.eh_proj.weight`, shape: [s.C, 2 * s.C], kind: 'matrix', init: init(2 * s.C) },
        ...layerSpecs(variant, s, s.L + k, init), norm(`${layer}.shared_head.norm.weight`, s.C),
      ];
    });
    return [...outer.first, ...Array.from({ length: s.L }, (_, i) => layerSpecs(variant, s, i, init)).flat(), ...outer.last, ...modules.flat()];
  },

  layers(context, config, x) {
    const s = sizes(config);
    for (let i = 0; i < s.L; i++) x = block(context, variant, config, s, i, x);
    return x;
  },

  predictAhead(context, config, normed, nextIds) {
    const s = sizes(config), { tape } = context;
    let h = normed;
    return nextIds.map((ids, k) => {
      const layer = `model.layers.${s.L + k}`;
      const joined = concatColumns(tape, rmsNorm(tape, context.embed(ids), context.weight(`${layer}.enorm.weight`), s.eps),
        rmsNorm(tape, h, context.weight(`${layer}.hnorm.weight`), s.eps));
      h = rmsNorm(tape, block(context, variant, config, s, s.L + k, context.linear(joined, `${layer}.eh_proj.weight`)), context.weight(`${layer}.shared_head.norm.weight`), s.eps);
      return h;
    });
  },
});

export const deepseekV3: Architecture = deepseekLike({
  modelType: 'deepseek_v3',
  className: 'DeepseekV3ForCausalLM',
  routerBias: true,
  route: (config) => ({
    groups: positive(config, 'n_group', 1), topkGroup: positive(config, 'topk_group', 1),
    normalise: boolean(config, 'norm_topk_prob', true), scale: number(config, 'routed_scaling_factor', 1),
    score: config['scoring_func'] === 'softmax' ? 'softmax' : 'sigmoid', maskedScore: config['masked_score'] === 'zero' ? 'zero' : 'neg_inf',
  }),
  settings: (config) => ({
    norm_topk_prob: boolean(config, 'norm_topk_prob', true), scoring_func: 'sigmoid', topk_method: 'noaux_tc',
    rope_interleave: boolean(config, 'rope_interleave', true), num_nextn_predict_layers: integer(config, 'num_nextn_predict_layers', 0),
  }),
});
