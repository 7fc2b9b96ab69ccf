// Llama and its relatives: RMSNorm, rotary embeddings (half layout), grouped-query attention, SwiGLU.
// qwen2 adds biases to q, k, v; qwen3 norms q and k per head; both may use sliding windows in some layers, mistral in all.
// qwen3_moe has experts in place of the feed-forward, smollm3 layers without rotation. Their files name these differences;
// SmolLM2, Llama 3 and the R1 distillates on it are plain llama.

import { rmsNorm } from '../engine/ops/rms-norm.ts';
import { rope } from '../engine/ops/rope.ts';
import { type Tensor, columns } from '../engine/tensor.ts';
import type { Architecture, Dimensions, ForwardContext } from './architecture.ts';
import { initStd, mlp, mlpSpecs, norm, outerSpecs, residual } from './blocks.ts';
import { type ConfigJson, boolean, commonSettings, expectValue, number, positive, integer, ropeOf } from './config.ts';
import type { ParameterSpec } from './parameters.ts';

export interface LlamaVariant {
  readonly modelType: string;
  readonly className: string;
  readonly qkvBias: (config: ConfigJson) => boolean;
  readonly outputBias: (config: ConfigJson) => boolean;
  readonly qkNorm: boolean;
  /** Size of the sliding window of a layer, 0 for full attention. */
  readonly window: (config: ConfigJson, layer: number) => number;
  /** Whether a layer turns its queries and keys; all do by default. */
  readonly rotates?: (config: ConfigJson, layer: number) => boolean;
  /** Layers that have experts. */
  readonly experts?: {
    has(config: ConfigJson, layer: number): boolean;
    count(config: ConfigJson): number;
    specs(config: ConfigJson, prefix: string, C: number, init: ReturnType<typeof initStd>): ParameterSpec[];
    forward(context: ForwardContext, config: ConfigJson, prefix: string, layer: number, h: Tensor): Tensor;
  };
  /** Settings beside those of all. */
  readonly settings?: (config: ConfigJson) => Record<string, unknown>;
}

interface Sizes { readonly C: number; readonly L: number; readonly Hq: number; readonly Hkv: number; readonly D: number; readonly F: number; readonly eps: number }

function sizes(config: ConfigJson): Sizes {
  const C = positive(config, 'hidden_size'), Hq = positive(config, 'num_attention_heads');
  const s = {
    C, Hq, L: positive(config, 'num_hidden_layers'), Hkv: positive(config, 'num_key_value_heads', Hq),
    D: positive(config, 'head_dim', C / Hq), F: positive(config, 'intermediate_size'), eps: number(config, 'rms_norm_eps', 1e-6),
  };
  expectValue({ grouping: Hq % s.Hkv === 0 }, 'grouping', [true]);
  return s;
}

export function llamaLike(variant: LlamaVariant): Architecture {
  return {
    modelType: variant.modelType,
    className: variant.className,

    dimensions(config): Dimensions {
      expectValue(config, 'hidden_act', ['silu']);
      expectValue(config, 'mlp_bias', [false]);
      const { C, L, Hkv, D, eps } = sizes(config);
      const moeLayers = Array.from({ length: L }, (_, i) => i).filter((i) => variant.experts?.has(config, i));
      return {
        vocab: positive(config, 'vocab_size'), channels: C, layers: L, maxPositions: positive(config, 'max_position_embeddings', 2048),
        rope: ropeOf(config, D), cache: { keyHeads: Hkv, D, Dv: D }, tied: boolean(config, 'tie_word_embeddings', false), normEps: eps,
        ...(moeLayers.length > 0 && { moe: { layers: moeLayers, experts: variant.experts!.count(config) } }),
      };
    },

    settings(config) {
      const { Hkv, D, eps } = sizes(config), { maxPositions, rope } = this.dimensions(config);
      return { ...commonSettings(config, { maxPositions, eps, rope }), num_key_value_heads: Hkv, head_dim: D, ...variant.settings?.(config) };
    },

    parameters(config) {
      const { C, L, Hq, Hkv, D, F } = sizes(config);
      const init = initStd(config, L);
      const outer = outerSpecs(positive(config, 'vocab_size'), C, boolean(config, 'tie_word_embeddings', false), number(config, 'initializer_range', 0.02));
      const layer = (i: number): ParameterSpec[] => {
        const at = `model.layers.${i}.self_attn`;
        const qkv = [['q', Hq], ['k', Hkv], ['v', Hkv]] as const;
        return [
          norm(`model.layers.${i}.input_layernorm.weight`, C),
          ...qkv.map(([p, heads]): ParameterSpec => ({ name: `${at}.${p}_proj.weight`, shape: [heads * D, C], kind: 'matrix', init: init(C), group: `${at}.qkv` })),
          ...(variant.qkvBias(config) ? qkv.map(([p, heads]): ParameterSpec => ({ name: `${at}.${p}_proj.bias`, shape: [heads * D], kind: 'vector', init: { value: 0 }, group: `${at}.qkv.bias` })) : []),
          ...(variant.qkNorm ? [norm(`${at}.q_norm.weight`, D), norm(`${at}.k_norm.weight`, D)] : []),
          { name: `${at}.o_proj.weight`, shape: [C, Hq * D], kind: 'matrix', init: init(Hq * D, true) },
          ...(variant.outputBias(config) ? [{ name: `${at}.o_proj.bias`, shape: [C], kind: 'vector', init: { value: 0 } } as const] : []),
          norm(`model.layers.${i}.post_attention_layernorm.weight`, C),
          ...(variant.experts?.has(config, i) ? variant.experts.specs(config, `model.layers.${i}.mlp`, C, init) : mlpSpecs(`model.layers.${i}.mlp`, C, F, init)),
        ];
      };
      return [...outer.first, ...Array.from({ length: L }, (_, i) => layer(i)).flat(), ...outer.last];
    },

    layers(context, config, x) {
      const s = sizes(config);
      for (let i = 0; i < s.L; i++) {
        const at = `model.layers.${i}`, experts = variant.experts?.has(config, i) ? variant.experts : null;
        x = context.tape.segment(x, (x) => {
          const y = residual(context, x, `${at}.input_layernorm.weight`, s.eps, (h) => attentionBlock(context, variant, config, s, i, h));
          return residual(context, y, `${at}.post_attention_layernorm.weight`, s.eps, (h) => (experts ? experts.forward(context, config, `${at}.mlp`, i, h) : mlp(context, h, `${at}.mlp`)));
        });
      }
      return x;
    },
  };
}

function attentionBlock(context: ForwardContext, variant: LlamaVariant, config: ConfigJson, s: Sizes, i: number, h: Tensor): Tensor {
  const { tape, positions, ropeTable } = context;
  const { Hq, Hkv, D } = s;
  const at = `model.layers.${i}.self_attn`;
  const qkv = context.linear(h, `${at}.qkv`);
  const turned = { headStride: D, start: 0, layout: 'half' } as const;
  let q = columns(qkv, 0, Hq * D), k = columns(qkv, Hq * D, Hkv * D);
  if (variant.qkNorm) {
    q = rope(tape, rmsNorm(tape, q, context.weight(`${at}.q_norm.weight`), s.eps), ropeTable, positions, { ...turned, heads: Hq });
    k = rope(tape, rmsNorm(tape, k, context.weight(`${at}.k_norm.weight`), s.eps), ropeTable, positions, { ...turned, heads: Hkv });
  } else if (variant.rotates?.(config, i) ?? true) {
    rope(tape, columns(qkv, 0, (Hq + Hkv) * D), ropeTable, positions, { ...turned, heads: Hq + Hkv });
  }
  const out = context.attend(i, { tensor: q, stride: D }, { tensor: k, stride: D }, { tensor: columns(qkv, (Hq + Hkv) * D, Hkv * D), stride: D },
    { queryHeads: Hq, keyHeads: Hkv, D, Dv: D, scale: D ** -0.5, window: variant.window(config, i) });
  return context.linear(out, `${at}.o_proj.weight`);
}

export const llama: Architecture = llamaLike({
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  qkvBias: (config) => boolean(config, 'attention_bias', false),
  outputBias: (config) => boolean(config, 'attention_bias', false),
  qkNorm: false,
  window: () => 0,
});

/** Window by layer as qwen2 and qwen3 say it: layer_types, or use_sliding_window from layer max_window_layers on. */
export function layerWindow(config: ConfigJson, layer: number): number {
  const types = config['layer_types'];
  const size = config['sliding_window'] == null ? 0 : integer(config, 'sliding_window');
  if (Array.isArray(types)) return types[layer] === 'sliding_attention' ? size : 0;
  return boolean(config, 'use_sliding_window', false) && layer >= integer(config, 'max_window_layers', 28) ? size : 0;
}
