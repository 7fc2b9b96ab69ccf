// Hugging Face's config.json from the keys of a GGUF file. Values of another type than the key has are refused.
// Source: llama.cpp gguf-py constants (key names) and its loaders (defaults), read, not copied.

import { formatError, quoted, unsupportedError } from './format-error.ts';
import { ropeFrequencies } from '../../engine/rope-table.ts';
import { ggufArchitectures, largestGemma3 } from './gguf-architectures.ts';
import type { GgufFile } from './gguf.ts';
import type { ModelConfig } from './model-files.ts';

/** The shortest decimal that is the same f32: 1e-5, not 0.000009999999747378752. */
export function shortestDecimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

const classNames: Readonly<Record<string, string>> = { llama: 'LlamaForCausalLM', qwen2: 'Qwen2ForCausalLM', qwen3: 'Qwen3ForCausalLM', smollm3: 'SmolLM3ForCausalLM', qwen3_moe: 'Qwen3MoeForCausalLM', gemma3_text: 'Gemma3ForCausalLM', deepseek_v2: 'DeepseekV2ForCausalLM', deepseek_v3: 'DeepseekV3ForCausalLM' };

export function ggufConfig(file: GgufFile): ModelConfig {
  const { path, metadata, tensors } = file, name = metadata.get('general.architecture');
  // DeepSeek-V2 has no bias that chooses experts, V3 has.
  const second = name === 'deepseek2' && ![...tensors.keys()].some((t) => t.endsWith('.exp_probs_b.bias')) && [...tensors.keys()].some((t) => t.endsWith('.ffn_gate_inp.weight'));
  const architecture = ggufArchitectures.find((a) => a.name === name && (!second || a.modelType === 'deepseek_v2'));
  if (!architecture) {
    throw unsupportedError(path, `its architecture is ${quoted(name)}`, `GGUF files of ${[...new Set(ggufArchitectures.map((a) => a.name))].join(', ')} are read; for others, use the model's Hugging Face folder.`);
  }
  const key = (k: string): string => `${architecture.name}.${k}`;
  const number = (k: string, fallback?: number): number => {
    const value = metadata.get(key(k)) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw formatError(path, `${key(k)} is ${quoted(value)}, not a number`);
    return shortestDecimal(value);
  };
  const count = (k: string, fallback?: number): number => {
    const value = number(k, fallback);
    if (!Number.isSafeInteger(value)) throw formatError(path, `${key(k)} is ${value}, not a whole number`);
    return value;
  };
  const whole = (k: string, fallback?: number): number => {
    const value = count(k, fallback);
    if (value < 1) throw formatError(path, `${key(k)} is ${value}, not a whole number above 0`);
    return value;
  };
  const flag = (k: string, fallback: boolean): boolean => {
    const value = metadata.get(key(k)) ?? fallback;
    if (typeof value !== 'boolean') throw formatError(path, `${key(k)} is ${quoted(value)}, not true or false`);
    return value;
  };
  const hidden = whole('embedding_length'), embedding = tensors.get('token_embd.weight');
  if (!embedding || embedding.shape.length !== 2 || embedding.shape[1] !== hidden) throw formatError(path, `token_embd.weight does not have rows of ${hidden}`);
  const id = (k: string): number | undefined => { const v = metadata.get(`tokenizer.ggml.${k}`); return typeof v === 'number' ? v : undefined; };
  const bos = id('bos_token_id'), eos = id('eos_token_id'), pad = id('padding_token_id');
  const heads = whole('attention.head_count'), latent = architecture.name === 'deepseek2';
  const scaling = metadata.get(key('rope.scaling.type'));
  if (scaling !== undefined && scaling !== 'none' && scaling !== 'linear' && scaling !== 'yarn') {
    throw unsupportedError(path, `its rotary scaling is ${quoted(scaling)}`, 'none, linear and yarn are read; use the Hugging Face folder.');
  }
  const log = latent ? number('rope.scaling.yarn_log_multiplier', 0) * 10 : 0;
  // What is counted here becomes lists: the tensors must be there.
  const blocks = whole('block_count');
  if (blocks > tensors.size) throw formatError(path, `${key('block_count')} is ${blocks}, but there are only ${tensors.size} tensors`);
  const common = {
    architectures: [classNames[architecture.modelType]], model_type: architecture.modelType,
    vocab_size: embedding.shape[0]!, hidden_size: hidden, intermediate_size: whole('feed_forward_length'),
    num_hidden_layers: blocks, num_attention_heads: heads, hidden_act: 'silu',
    max_position_embeddings: whole('context_length'), rms_norm_eps: number('attention.layer_norm_rms_epsilon'), rope_theta: number('rope.freq_base', 10000),
    rope_scaling: tensors.has('rope_freqs.weight') ? llama3Scaling(file, number('rope.freq_base', 10000), count('rope.scaling.original_context_length', 8192)) : scaling === undefined || scaling === 'none' ? null : {
      rope_type: scaling, factor: number('rope.scaling.factor'),
      ...(scaling === 'yarn' && {
        original_max_position_embeddings: whole('rope.scaling.original_context_length'), beta_fast: number('rope.scaling.yarn_beta_fast', 32), beta_slow: number('rope.scaling.yarn_beta_slow', 1),
        ...(log > 0 && { mscale: shortestDecimal(Math.fround(log)), mscale_all_dim: shortestDecimal(Math.fround(log)) }),
      }),
    },
    attention_bias: architecture.modelType !== 'qwen2' && tensors.has('blk.0.attn_q.bias'), attention_dropout: 0,
    tie_word_embeddings: !tensors.has('output.weight'), initializer_range: 0.02, use_cache: true, torch_dtype: 'float32',
    ...(bos === undefined ? {} : { bos_token_id: bos }), ...(eos === undefined ? {} : { eos_token_id: eos }), ...(pad === undefined ? {} : { pad_token_id: pad }),
  };
  if (latent) {
    const R = whole('attention.kv_lora_rank'), rope = whole('rope.dimension_count'), wide = number('attention.key_length_mla', 0);
    if (wide <= rope) throw unsupportedError(path, 'it lacks attention.key_length_mla: it was made before llama.cpp split kv_b_proj', 'Convert the model again with a current llama.cpp, or use the Hugging Face folder.');
    const qRank = count('attention.q_lora_rank', 0), experts = count('expert_count', 0), groups = whole('expert_group_count', 1);
    const router = [...tensors].find(([tensor]) => tensor.endsWith('.ffn_gate_inp.weight'))?.[1].shape[0] ?? 0;
    if (experts !== router) throw formatError(path, `${key('expert_count')} is ${experts}, but the router chooses among ${router}`);
    const softmax = count('expert_gating_func', 1) === 1; // files of V2 and V2.5 do not say it, llama.cpp takes softmax then
    if (softmax && groups > 1) throw unsupportedError(path, 'it is a DeepSeek-V2 that chooses its experts by groups', 'Use its Hugging Face folder.');
    return {
      ...common, num_key_value_heads: heads, q_lora_rank: qRank || null, kv_lora_rank: R, qk_nope_head_dim: wide - rope, qk_rope_head_dim: rope, v_head_dim: whole('attention.value_length_mla'),
      n_routed_experts: experts, n_shared_experts: count('expert_shared_count', 0), num_experts_per_tok: experts > 0 ? whole('expert_used_count') : 1, moe_intermediate_size: whole('expert_feed_forward_length', 1),
      first_k_dense_replace: count('leading_dense_block_count', 0), routed_scaling_factor: number('expert_weights_scale', 1), norm_topk_prob: flag('expert_weights_norm', false),
      scoring_func: softmax ? 'softmax' : 'sigmoid', topk_method: second ? 'greedy' : 'noaux_tc', n_group: groups, topk_group: whole('expert_group_used_count', 1), rope_interleave: true,
    };
  }
  if (architecture.modelType === 'gemma3_text') {
    const { hidden_act: _, attention_bias: __, ...rest } = common, window = count('attention.sliding_window', 0), headDim = whole('attention.key_length', hidden / heads);
    return {
      ...rest, rope_theta: number('rope.freq_base', 1e6), rope_local_base_freq: number('rope.freq_base_swa', 10000), hidden_activation: 'gelu_pytorch_tanh', head_dim: headDim, num_key_value_heads: whole('attention.head_count_kv', heads),
      query_pre_attn_scalar: blocks === largestGemma3 ? hidden / heads : headDim, sliding_window: window || rest.max_position_embeddings,
      layer_types: Array.from({ length: blocks }, (_, i) => (window > 0 && (i + 1) % whole('attention.sliding_window_pattern', 6) !== 0 ? 'sliding_attention' : 'full_attention')),
    };
  }
  const routed = architecture.modelType === 'qwen3_moe';
  if (!routed && count('expert_count', 0) !== 0) throw unsupportedError(path, 'it is a mixture of experts', 'Dense files, qwen3moe and deepseek2 are read; use the Hugging Face folder.');
  const headDim = whole('attention.key_length', hidden / heads);
  if (whole('rope.dimension_count', headDim) !== headDim) throw unsupportedError(path, 'it rotates only a part of each head', 'Files that rotate whole heads are read.');
  return { ...common, num_key_value_heads: whole('attention.head_count_kv', heads), head_dim: headDim, mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    ...(architecture.modelType === 'smollm3' && { no_rope_layer_interval: 4, use_sliding_window: false }),
    ...(routed && { num_experts: expertsOf(file, count('expert_count')), num_experts_per_tok: whole('expert_used_count'), moe_intermediate_size: whole('expert_feed_forward_length'), norm_topk_prob: true, decoder_sparse_step: 1, mlp_only_layers: [] }),
  };
}

/** What is counted here becomes lists: the router must choose among as many. */
function expertsOf({ path, tensors }: GgufFile, claimed: number): number {
  const router = [...tensors].find(([tensor]) => tensor.endsWith('.ffn_gate_inp.weight'))?.[1].shape[0] ?? 0;
  if (claimed !== router || claimed < 1) throw formatError(path, `expert_count is ${claimed}, but the router chooses among ${router}`);
  return claimed;
}

/**
 * Llama 3's settings from the factors in rope_freqs: factor r of a frequency f is 1 above some frequency, F below another,
 * and between them 1/r = (1 − s)/F + s with s linear in f. Only the ratio of (original length, low, high) shows in
 * factors, so the length is given; whether the settings found give the same factors is checked.
 */
function llama3Scaling(file: GgufFile, theta: number, original: number): Record<string, unknown> {
  const factors = file.readFloat32('rope_freqs.weight'), dim = factors.length * 2, F = Math.max(...factors), found = { rope_type: 'llama3', factor: shortestDecimal(Math.fround(F)), original_max_position_embeddings: original };
  const plain = ropeFrequencies({ dim, theta }), rotations = plain.map((f) => (original * f) / (2 * Math.PI));
  const between = rotations.flatMap((x, i) => (factors[i]! > 1 + 1e-6 && factors[i]! < F * (1 - 1e-6) ? [{ x, s: (1 / factors[i]! - 1 / F) / (1 - 1 / F) }] : []));
  const [first, last] = [between[0], between.at(-1)], slope = first && last && first !== last ? (first.s - last.s) / (first.x - last.x) : NaN;
  const candidates = [{ low: 1, high: 4 }, ...(slope > 0 ? [{ low: first!.x - first!.s / slope, high: first!.x + (1 - first!.s) / slope }] : [])];
  for (const { low, high } of candidates) {
    const scaled = ropeFrequencies({ dim, theta, llama3: { factor: F, originalMaxPositions: original, lowFactor: low, highFactor: high } });
    if (factors.every((r, i) => Math.abs(plain[i]! / scaled[i]! - r) <= 1e-5 * r)) return { ...found, low_freq_factor: low, high_freq_factor: high };
  }
  throw unsupportedError(file.path, 'its rope_freqs are not those of Llama 3', "Use the Hugging Face folder, whose config.json says how its rotations are scaled.");
}
