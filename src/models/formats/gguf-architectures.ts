// How each architecture lies in a GGUF file: its keys, and which of its tensors are made of which Hugging Face tensors.
// Writing goes from Hugging Face's tensors to the parts (makePart); gguf-model.ts goes the other way.
//   llama (and mistral, which is llama there): rows of q and k permuted for rotary pairs (2j, 2j+1); per head of d rows
//     Hugging Face's row t d/2 + j is GGUF's row 2j + t. qwen2 and qwen3 rotate halves there too: no permutation.
//   smollm3 is llama with layers that do not rotate; qwen3moe is qwen3 with experts; rope_freqs holds Llama 3's scaling.
//   deepseek2 (our deepseek_v3 and deepseek_v2): expert matrices stacked (E, out, in); kv_b_proj (H (nope + v), R) split for absorbed
//     attention into attn_k_b (H, R, nope), transposed per head, and attn_v_b (H, v, R). MTP modules have no place.
//   gemma3 (our gemma3_text): weights of norms stored one higher, as factors; layers see a window but for every sixth.
// Source: llama.cpp conversion (LlamaModel, Qwen2Model, DeepseekV2Model, Gemma3Model) and gguf-py constants, read, not copied.

import { TiefsucheError } from '../../errors.ts';
import { ropeFrequencies } from '../../engine/rope-table.ts';
import { boolean, integer, number, positive, ropeOf, type ConfigJson } from '../config.ts';
import { gemma3Text } from '../gemma3-text.ts';
import { qwen3Moe } from '../qwen3-moe.ts';
import { smollm3 } from '../smollm3.ts';
import type { TypedValue } from './gguf-build.ts';

/** A GGUF tensor, made of Hugging Face tensors. */
export interface GgufPart {
  readonly name: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  /** Hugging Face's names of what it is made of. */
  readonly from: readonly string[];
  /** Always f32: vectors and the router. */
  readonly exact: boolean;
  readonly how: Making;
}

/** How values get from one side to the other. */
export type Making =
  | { readonly kind: 'same' } | { readonly kind: 'stacked' }
  | { readonly kind: 'higher' } // by 1
  | { readonly kind: 'permuted'; readonly headDim: number }
  | { readonly kind: 'computed'; readonly values: () => Float32Array }
  | { readonly kind: 'keys' | 'values'; readonly H: number; readonly nope: number; readonly v: number; readonly R: number };

/** Values of a GGUF tensor from Hugging Face's. */
export function makePart({ from, shape, how }: GgufPart, read: (name: string) => Float32Array): Float32Array {
  switch (how.kind) {
    case 'same': return read(from[0]!);
    case 'higher': return read(from[0]!).map((x) => x + 1);
    case 'computed': return how.values();
    case 'permuted': return permuteRows(read(from[0]!), shape[0]!, how.headDim);
    case 'keys': return keyPart(read(from[0]!), how);
    case 'values': return valuePart(read(from[0]!), how);
    case 'stacked': {
      const [E, rows, cols] = shape as [number, number, number], all = new Float32Array(E * rows * cols);
      from.forEach((source, e) => all.set(read(source), e * rows * cols));
      return all;
    }
  }
}

/** Layers of Gemma 3 27B, the one whose queries llama.cpp divides by the channels of a head's share instead of its own. */
export const largestGemma3 = 62;

export interface GgufArchitecture {
  /** Hugging Face's model_type. */
  readonly modelType: string;
  /** general.architecture. */
  readonly name: string;
  /** Keys under the architecture's name. */
  keys(config: ConfigJson): Map<string, TypedValue>;
  parts(config: ConfigJson): GgufPart[];
  /** Hugging Face tensors that a file cannot hold. */
  leftOut(config: ConfigJson, name: string): boolean;
}

export const u32 = (value: number): TypedValue => ({ type: 'u32', value });
export const f32 = (value: number): TypedValue => ({ type: 'f32', value });
export const bool = (value: boolean): TypedValue => ({ type: 'bool', value });
export const string = (value: string): TypedValue => ({ type: 'string', value });

const refuse = (what: string): never => {
  throw new TiefsucheError('UNSUPPORTED', `a GGUF file cannot say that ${what}`, { hint: 'Export with --to hf; transformers and vLLM read all of it.' });
};

/** Rows from Hugging Face's order to GGUF's, per head. */
export function permuteRows(data: Float32Array, rows: number, headDim: number): Float32Array {
  const width = data.length / rows, out = new Float32Array(data.length), half = headDim / 2;
  for (let head = 0; head < rows; head += headDim) {
    for (let t = 0; t < 2; t++) for (let j = 0; j < half; j++) {
      const from = (head + t * half + j) * width;
      out.set(data.subarray(from, from + width), (head + 2 * j + t) * width);
    }
  }
  return out;
}

const plain = (name: string, shape: readonly number[], from: string, exact = shape.length === 1): GgufPart => ({ name, shape, from: [from], exact, how: { kind: 'same' } });

function outer(config: ConfigJson): GgufPart[] {
  const C = positive(config, 'hidden_size'), V = positive(config, 'vocab_size');
  return [
    plain('token_embd.weight', [V, C], 'model.embed_tokens.weight'), plain('output_norm.weight', [C], 'model.norm.weight'),
    ...(boolean(config, 'tie_word_embeddings', false) ? [] : [plain('output.weight', [V, C], 'lm_head.weight')]),
  ];
}

const dense = (at: string, layer: string, C: number, F: number, suffix = ''): GgufPart[] => [
  plain(`${at}.ffn_gate${suffix}.weight`, [F, C], `${layer}.gate_proj.weight`), plain(`${at}.ffn_up${suffix}.weight`, [F, C], `${layer}.up_proj.weight`),
  plain(`${at}.ffn_down${suffix}.weight`, [C, F], `${layer}.down_proj.weight`),
];

function commonKeys(config: ConfigJson, rotated: number): [string, TypedValue][] {
  const rope = ropeOf(config, rotated), { yarn, linear, llama3 } = rope;
  return [
    ['vocab_size', u32(positive(config, 'vocab_size'))], ['context_length', u32(positive(config, 'max_position_embeddings', 2048))],
    ['embedding_length', u32(positive(config, 'hidden_size'))], ['block_count', u32(positive(config, 'num_hidden_layers'))],
    ['feed_forward_length', u32(positive(config, 'intermediate_size'))], ['attention.head_count', u32(positive(config, 'num_attention_heads'))],
    ['attention.layer_norm_rms_epsilon', f32(number(config, 'rms_norm_eps', 1e-6))], ['rope.freq_base', f32(rope.theta)], ['rope.dimension_count', u32(rotated)],
    // What rope_freqs says needs no key; the length it was made from lets a reader find Hugging Face's settings again.
    ...(llama3 ? [['rope.scaling.original_context_length', u32(llama3.originalMaxPositions)]] as [string, TypedValue][] : []),
    ...(linear === undefined ? [] : [['rope.scaling.type', string('linear')], ['rope.scaling.factor', f32(linear)]] as [string, TypedValue][]),
    ...(yarn ? [['rope.scaling.type', string('yarn')], ['rope.scaling.factor', f32(yarn.factor)], ['rope.scaling.original_context_length', u32(yarn.originalMaxPositions)],
      ['rope.scaling.yarn_beta_fast', f32(yarn.betaFast)], ['rope.scaling.yarn_beta_slow', f32(yarn.betaSlow)]] as [string, TypedValue][] : []),
  ];
}

/** Llama 3's scaled rotations: what each frequency is divided by, in a tensor of its own. */
function ropeFactors(config: ConfigJson, rotated: number): GgufPart[] {
  const rope = ropeOf(config, rotated);
  if (!rope.llama3) return [];
  const plain = ropeFrequencies({ dim: rope.dim, theta: rope.theta }), scaled = ropeFrequencies(rope);
  return [{ name: 'rope_freqs.weight', shape: [rotated / 2], from: [], exact: true, how: { kind: 'computed', values: () => Float32Array.from(plain, (f, i) => f / scaled[i]!) } }];
}

interface DenseVariant {
  readonly modelType: string;
  readonly name: string;
  readonly permuted: boolean;
  readonly biases: (config: ConfigJson) => { qkv: boolean; output: boolean };
  readonly norms: boolean;
  /** Refuses what the architecture of this name does not do. */
  readonly check?: (config: ConfigJson) => void;
  /** Routed experts in every layer instead of one MLP. */
  readonly experts?: (config: ConfigJson) => { readonly E: number; readonly F: number; readonly used: number };
}

/** The experts' matrices of one projection on top of each other. */
const stacked = (name: string, E: number, rows: number, cols: number, mlp: string, projection: string): GgufPart =>
  ({ name, shape: [E, rows, cols], from: Array.from({ length: E }, (_, e) => `${mlp}.experts.${e}.${projection}.weight`), exact: false, how: { kind: 'stacked' } });

const heads = (config: ConfigJson): { Hq: number; Hkv: number; D: number } => {
  const Hq = positive(config, 'num_attention_heads');
  return { Hq, Hkv: positive(config, 'num_key_value_heads', Hq), D: positive(config, 'head_dim', positive(config, 'hidden_size') / Hq) };
};

const expertParts = (at: string, mlp: string, C: number, E: number, F: number): GgufPart[] => [
  plain(`${at}.ffn_gate_inp.weight`, [E, C], `${mlp}.gate.weight`, true),
  stacked(`${at}.ffn_gate_exps.weight`, E, F, C, mlp, 'gate_proj'), stacked(`${at}.ffn_up_exps.weight`, E, F, C, mlp, 'up_proj'), stacked(`${at}.ffn_down_exps.weight`, E, C, F, mlp, 'down_proj'),
];

function denseArchitecture({ modelType, name, permuted, biases, norms, check, experts }: DenseVariant): GgufArchitecture {
  return {
    modelType, name,
    keys(config) {
      const { Hkv, D } = heads(config), window = config['sliding_window'], types = config['layer_types'];
      const slides = modelType === 'mistral' || config['use_sliding_window'] === true || (Array.isArray(types) && types.includes('sliding_attention'));
      if (slides && typeof window === 'number' && window < positive(config, 'max_position_embeddings', 2048)) refuse(`the layers of ${name} see only ${window} tokens`);
      if (name === 'llama' && ropeOf(config, D).yarn?.mscaleAllDim) refuse('its rotations are scaled by mscale');
      check?.(config);
      const routed = experts?.(config);
      return new Map([
        ...commonKeys(config, D), ['attention.head_count_kv', u32(Hkv)], ['attention.key_length', u32(D)], ['attention.value_length', u32(D)],
        ...(routed ? [['expert_count', u32(routed.E)], ['expert_used_count', u32(routed.used)], ['expert_feed_forward_length', u32(routed.F)]] as [string, TypedValue][] : []),
      ]);
    },
    parts(config) {
      const { Hq, Hkv, D } = heads(config), C = positive(config, 'hidden_size'), F = positive(config, 'intermediate_size'), { qkv, output } = biases(config), routed = experts?.(config);
      const turned = (part: GgufPart): GgufPart => (permuted ? { ...part, how: { kind: 'permuted', headDim: D } } : part);
      const layer = (i: number): GgufPart[] => {
        const at = `blk.${i}`, self = `model.layers.${i}.self_attn`;
        const projections = [['q', Hq, true], ['k', Hkv, true], ['v', Hkv, false]] as const;
        return [
          plain(`${at}.attn_norm.weight`, [C], `model.layers.${i}.input_layernorm.weight`),
          ...projections.flatMap(([p, H, rotated]) => {
            const both = [plain(`${at}.attn_${p}.weight`, [H * D, C], `${self}.${p}_proj.weight`), ...(qkv ? [plain(`${at}.attn_${p}.bias`, [H * D], `${self}.${p}_proj.bias`)] : [])];
            return rotated ? both.map(turned) : both;
          }),
          ...(norms ? [plain(`${at}.attn_q_norm.weight`, [D], `${self}.q_norm.weight`), plain(`${at}.attn_k_norm.weight`, [D], `${self}.k_norm.weight`)] : []),
          plain(`${at}.attn_output.weight`, [C, Hq * D], `${self}.o_proj.weight`), ...(output ? [plain(`${at}.attn_output.bias`, [C], `${self}.o_proj.bias`)] : []),
          plain(`${at}.ffn_norm.weight`, [C], `model.layers.${i}.post_attention_layernorm.weight`),
          ...(routed ? expertParts(at, `model.layers.${i}.mlp`, C, routed.E, routed.F) : dense(at, `model.layers.${i}.mlp`, C, F)),
        ];
      };
      return [...outer(config), ...ropeFactors(config, D), ...Array.from({ length: positive(config, 'num_hidden_layers') }, (_, i) => layer(i)).flat()];
    },
    leftOut: () => false,
  };
}

const deepseekSizes = (config: ConfigJson) => ({
  C: positive(config, 'hidden_size'), F: positive(config, 'intermediate_size'), H: positive(config, 'num_attention_heads'), L: positive(config, 'num_hidden_layers'),
  qRank: integer(config, 'q_lora_rank', 0), R: positive(config, 'kv_lora_rank'), nope: positive(config, 'qk_nope_head_dim'), rope: positive(config, 'qk_rope_head_dim'), v: positive(config, 'v_head_dim'),
  E: integer(config, 'n_routed_experts', 0), shared: integer(config, 'n_shared_experts', 0), expertF: positive(config, 'moe_intermediate_size', 1), first: integer(config, 'first_k_dense_replace', 0),
});

interface Split { readonly H: number; readonly nope: number; readonly v: number; readonly R: number }

/** The keys' and values' parts as one matrix again, (H (nope + v), R). */
export function joinParts(keys: Float32Array, values: Float32Array, { H, nope, v, R }: Split): Float32Array<ArrayBuffer> {
  const b = new Float32Array(H * (nope + v) * R);
  for (let h = 0; h < H; h++) {
    for (let n = 0; n < nope; n++) for (let r = 0; r < R; r++) b[(h * (nope + v) + n) * R + r] = keys[(h * R + r) * nope + n]!;
    b.set(values.subarray(h * v * R, (h + 1) * v * R), (h * (nope + v) + nope) * R);
  }
  return b;
}

/** (H (nope + v), R) → the keys' part, (H, R, nope). */
function keyPart(b: Float32Array, { H, nope, v, R }: Split): Float32Array {
  const out = new Float32Array(H * R * nope);
  for (let h = 0; h < H; h++) for (let n = 0; n < nope; n++) for (let r = 0; r < R; r++) out[(h * R + r) * nope + n] = b[(h * (nope + v) + n) * R + r]!;
  return out;
}

/** (H (nope + v), R) → the values' part, (H, v, R). */
function valuePart(b: Float32Array, { H, nope, v, R }: Split): Float32Array {
  const out = new Float32Array(H * v * R);
  for (let h = 0; h < H; h++) out.set(b.subarray((h * (nope + v) + nope) * R, (h + 1) * (nope + v) * R), h * v * R);
  return out;
}

/** V2 chooses experts by a softmax and has no bias that chooses; groups of experts are known for V3 only. */
const deepseek2 = (modelType: 'deepseek_v2' | 'deepseek_v3'): GgufArchitecture => ({
  modelType, name: 'deepseek2',
  keys(config) {
    const s = deepseekSizes(config), { yarn } = ropeOf(config, s.rope), second = modelType === 'deepseek_v2';
    if (second && s.E > 0 && config['topk_method'] === 'group_limited_greedy' && positive(config, 'n_group', 1) > 1) refuse('DeepSeek-V2 chooses its experts by groups');
    if (!boolean(config, 'rope_interleave', true)) refuse('deepseek2 rotates halves');
    if (boolean(config, 'attention_bias', false)) refuse('deepseek2 has biases');
    if (yarn && yarn.mscale !== yarn.mscaleAllDim) refuse(`mscale (${yarn.mscale}) differs from mscale_all_dim (${yarn.mscaleAllDim})`);
    return new Map<string, TypedValue>([
      ...commonKeys(config, s.rope), ['attention.head_count_kv', u32(1)],
      ['attention.key_length', u32(s.R + s.rope)], ['attention.value_length', u32(s.R)], ['attention.key_length_mla', u32(s.nope + s.rope)], ['attention.value_length_mla', u32(s.v)],
      // llama.cpp asks for the key even where there is no such rank; 0 says so.
      ['attention.kv_lora_rank', u32(s.R)], ['attention.q_lora_rank', u32(s.qRank)],
      ...(yarn ? [['rope.scaling.yarn_log_multiplier', f32(0.1 * yarn.mscaleAllDim)] as const] : []),
      ['leading_dense_block_count', u32(s.E > 0 ? s.first : s.L)], ['expert_count', u32(s.E)], ['expert_used_count', u32(s.E > 0 ? positive(config, 'num_experts_per_tok', 1) : 0)],
      ['expert_shared_count', u32(s.shared)], ['expert_feed_forward_length', u32(s.expertF)], ['expert_weights_scale', f32(number(config, 'routed_scaling_factor', 1))],
      ['expert_weights_norm', bool(boolean(config, 'norm_topk_prob', !second))], ['expert_gating_func', u32(second || config['scoring_func'] === 'softmax' ? 1 : 2)],
      ...(second ? [] : [['expert_group_count', u32(positive(config, 'n_group', 1))], ['expert_group_used_count', u32(positive(config, 'topk_group', 1))]] as const),
    ]);
  },
  parts(config) {
    const s = deepseekSizes(config);
    const layer = (i: number): GgufPart[] => {
      const at = `blk.${i}`, hf = `model.layers.${i}`, self = `${hf}.self_attn`, b = `${self}.kv_b_proj.weight`;
      return [
        plain(`${at}.attn_norm.weight`, [s.C], `${hf}.input_layernorm.weight`),
        ...(s.qRank > 0 ? [
          plain(`${at}.attn_q_a.weight`, [s.qRank, s.C], `${self}.q_a_proj.weight`), plain(`${at}.attn_q_a_norm.weight`, [s.qRank], `${self}.q_a_layernorm.weight`),
          plain(`${at}.attn_q_b.weight`, [s.H * (s.nope + s.rope), s.qRank], `${self}.q_b_proj.weight`),
        ] : [plain(`${at}.attn_q.weight`, [s.H * (s.nope + s.rope), s.C], `${self}.q_proj.weight`)]),
        plain(`${at}.attn_kv_a_mqa.weight`, [s.R + s.rope, s.C], `${self}.kv_a_proj_with_mqa.weight`), plain(`${at}.attn_kv_a_norm.weight`, [s.R], `${self}.kv_a_layernorm.weight`),
        { name: `${at}.attn_k_b.weight`, shape: [s.H, s.R, s.nope], from: [b], exact: false, how: { kind: 'keys', ...s } },
        { name: `${at}.attn_v_b.weight`, shape: [s.H, s.v, s.R], from: [b], exact: false, how: { kind: 'values', ...s } },
        plain(`${at}.attn_output.weight`, [s.C, s.H * s.v], `${self}.o_proj.weight`), plain(`${at}.ffn_norm.weight`, [s.C], `${hf}.post_attention_layernorm.weight`),
        ...(s.E === 0 || i < s.first ? dense(at, `${hf}.mlp`, s.C, s.F) : [
          ...expertParts(at, `${hf}.mlp`, s.C, s.E, s.expertF), ...(modelType === 'deepseek_v3' ? [plain(`${at}.exp_probs_b.bias`, [s.E], `${hf}.mlp.gate.e_score_correction_bias`)] : []),
          ...(s.shared > 0 ? dense(at, `${hf}.mlp.shared_experts`, s.C, s.shared * s.expertF, '_shexp') : []),
        ]),
      ];
    };
    return [...outer(config), ...Array.from({ length: s.L }, (_, i) => layer(i)).flat()];
  },
  leftOut: (config, name) => Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1) >= positive(config, 'num_hidden_layers'),
});

const gemma3: GgufArchitecture = {
  modelType: 'gemma3_text', name: 'gemma3',
  keys(config) {
    const { rope: full, localRope, maxPositions } = gemma3Text.dimensions(config), s = gemma3Text.settings(config) as Record<string, number>, types = s['layer_types'] as unknown as string[];
    const windowed = types.includes('sliding_attention'), scalar = s['query_pre_attn_scalar']!, perHead = s['hidden_size']! / s['num_attention_heads']!, layers = s['num_hidden_layers']!;
    if (windowed && types.some((t, i) => (t === 'sliding_attention') !== ((i + 1) % 6 !== 0))) refuse('other layers than every sixth see all tokens');
    if (windowed && (localRope!.theta !== 10000 || localRope!.linear !== undefined)) refuse(`layers with a window rotate by a theta of ${localRope!.theta}`);
    if (full.yarn || full.llama3) refuse('the rotations of Gemma 3 are scaled otherwise than linearly');
    if (scalar !== (layers === largestGemma3 ? perHead : s['head_dim'])) refuse(`its queries are divided by √${scalar}`);
    if (boolean(config, 'attention_bias', false)) refuse('gemma3 has biases');
    return new Map([
      ['vocab_size', u32(s['vocab_size']!)], ['context_length', u32(maxPositions)], ['embedding_length', u32(s['hidden_size']!)], ['block_count', u32(layers)],
      ['feed_forward_length', u32(s['intermediate_size']!)], ['attention.head_count', u32(s['num_attention_heads']!)], ['attention.head_count_kv', u32(s['num_key_value_heads']!)],
      ['attention.layer_norm_rms_epsilon', f32(s['rms_norm_eps']!)], ['attention.key_length', u32(s['head_dim']!)], ['attention.value_length', u32(s['head_dim']!)],
      ['rope.freq_base', f32(full.theta)], ...(full.linear === undefined ? [] : [['rope.scaling.type', string('linear')], ['rope.scaling.factor', f32(full.linear)]] as const),
      ...(windowed ? [['attention.sliding_window', u32(s['sliding_window']!)]] as const : []),
    ]);
  },
  parts(config) {
    const s = gemma3Text.settings(config) as Record<string, number>, C = s['hidden_size']!, D = s['head_dim']!, H = s['num_attention_heads']!, Hkv = s['num_key_value_heads']!;
    const norm = (name: string, size: number, from: string): GgufPart => ({ name, shape: [size], from: [from], exact: true, how: { kind: 'higher' } });
    const layer = (i: number): GgufPart[] => {
      const at = `blk.${i}`, hf = `model.layers.${i}`, self = `${hf}.self_attn`;
      return [
        norm(`${at}.attn_norm.weight`, C, `${hf}.input_layernorm.weight`),
        ...([['q', H], ['k', Hkv], ['v', Hkv]] as const).map(([p, heads]) => plain(`${at}.attn_${p}.weight`, [heads * D, C], `${self}.${p}_proj.weight`)),
        norm(`${at}.attn_q_norm.weight`, D, `${self}.q_norm.weight`), norm(`${at}.attn_k_norm.weight`, D, `${self}.k_norm.weight`), plain(`${at}.attn_output.weight`, [C, H * D], `${self}.o_proj.weight`),
        norm(`${at}.post_attention_norm.weight`, C, `${hf}.post_attention_layernorm.weight`), norm(`${at}.ffn_norm.weight`, C, `${hf}.pre_feedforward_layernorm.weight`),
        ...dense(at, `${hf}.mlp`, C, s['intermediate_size']!), norm(`${at}.post_ffw_norm.weight`, C, `${hf}.post_feedforward_layernorm.weight`),
      ];
    };
    const settings = { ...config, ...s } as ConfigJson;
    return [...outer(settings).map((part) => (part.name === 'output_norm.weight' ? norm(part.name, C, part.from[0]!) : part)), ...Array.from({ length: s['num_hidden_layers']! }, (_, i) => layer(i)).flat()];
  },
  leftOut: () => false,
};

const none = (): { qkv: boolean; output: boolean } => ({ qkv: false, output: false });

export const ggufArchitectures: readonly GgufArchitecture[] = [
  denseArchitecture({ modelType: 'llama', name: 'llama', permuted: true, norms: false, biases: (c) => ({ qkv: boolean(c, 'attention_bias', false), output: boolean(c, 'attention_bias', false) }) }),
  denseArchitecture({ modelType: 'mistral', name: 'llama', permuted: true, norms: false, biases: none }),
  denseArchitecture({ modelType: 'qwen2', name: 'qwen2', permuted: false, norms: false, biases: () => ({ qkv: true, output: false }) }),
  denseArchitecture({ modelType: 'qwen3', name: 'qwen3', permuted: false, norms: true, biases: (c) => ({ qkv: boolean(c, 'attention_bias', false), output: boolean(c, 'attention_bias', false) }) }),
  denseArchitecture({
    modelType: 'smollm3', name: 'smollm3', permuted: true, norms: false, biases: (c) => ({ qkv: boolean(c, 'attention_bias', false), output: boolean(c, 'attention_bias', false) }),
    check(config) { // llama.cpp leaves every fourth layer unrotated, and knows no other way
      const settings = smollm3.settings(config)['no_rope_layers'] as number[];
      if (settings.some((rotates, i) => (rotates === 1) !== ((i + 1) % 4 !== 0))) refuse('other layers than every fourth do not rotate');
    },
  }),
  denseArchitecture({
    modelType: 'qwen3_moe', name: 'qwen3moe', permuted: false, norms: true, biases: none,
    check(config) {
      const { mlp_only_layers: plainLayers, decoder_sparse_step: step, norm_topk_prob: normalise } = qwen3Moe.settings(config);
      if ((plainLayers as unknown[]).length > 0 || step !== 1) refuse('some layers have no experts');
      if (normalise !== true) refuse("the chosen experts' weights are not normalised");
      if (boolean(config, 'attention_bias', false)) refuse('qwen3moe has biases');
    },
    experts(config) {
      const { num_experts: E, num_experts_per_tok: used, moe_intermediate_size: F } = qwen3Moe.settings(config) as Record<string, number>;
      return { E: E!, F: F!, used: used! };
    },
  }),
  gemma3, deepseek2('deepseek_v3'), deepseek2('deepseek_v2'),
];

export function ggufArchitectureOf(modelType: unknown): GgufArchitecture {
  const found = ggufArchitectures.find((a) => a.modelType === modelType);
  if (!found) throw new TiefsucheError('UNSUPPORTED', `models of type ${JSON.stringify(modelType)} are not written as GGUF yet`, { hint: `Known: ${ggufArchitectures.map((a) => a.modelType).join(', ')}. --to hf writes every type.` });
  return found;
}
