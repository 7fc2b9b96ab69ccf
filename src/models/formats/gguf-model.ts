// A llama-architecture GGUF file seen as a Hugging Face Llama model: config.json fields, tensor names, tokenizer files.
// GGUF stores the rows of q and k permuted for rotary pairs (2j, 2j+1); Hugging Face rotates (j, j + d/2). Per head of
// d rows, Hugging Face's row t d/2 + j is GGUF's row 2j + t. Undone on whole rows, so quantised bytes stay valid too.
// Source: llama.cpp conversion (LlamaModel.permute) and gguf-py tensor_mapping, read, not copied.

import { formatError, quoted, unsupportedError } from './format-error.ts';
import { ggufTokenizer } from './gguf-tokenizer.ts';
import { readGguf, type GgufEntry, type GgufFile } from './gguf.ts';
import type { ModelConfig, ModelFiles } from './model-files.ts';
import { missingTensor } from './safetensors.ts';
import { elementCount, type TensorEntry, type TensorSource } from './tensor-source.ts';

const wholeModel: Readonly<Record<string, string>> = {
  'token_embd.weight': 'model.embed_tokens.weight', 'output_norm.weight': 'model.norm.weight', 'output.weight': 'lm_head.weight',
};
const perLayer: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm', ffn_norm: 'post_attention_layernorm',
  attn_q: 'self_attn.q_proj', attn_k: 'self_attn.k_proj', attn_v: 'self_attn.v_proj', attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj', ffn_up: 'mlp.up_proj', ffn_down: 'mlp.down_proj',
};

/** Opens a GGUF model: its weights are read from the file when asked for. */
export function openGgufModel(path: string): ModelFiles {
  const file = readGguf(path);
  try {
    const config = llamaConfig(file), { tokenizerJson, tokenizerConfig, chatTemplate } = ggufTokenizer(file);
    const generationConfig: Record<string, unknown> = {};
    for (const key of ['bos_token_id', 'eos_token_id', 'pad_token_id']) if (config[key] !== undefined) generationConfig[key] = config[key];
    return {
      path, config, weights: llamaTensors(file, config), tokenizerJson, generationConfig, chatTemplate,
      tokenizerConfig: { ...tokenizerConfig, model_max_length: config['max_position_embeddings'] },
      chatTemplates: new Map(chatTemplate === undefined ? [] : [['default', chatTemplate]]),
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The shortest decimal that is the same f32: 1e-5, not 0.000009999999747378752. */
export function shortestDecimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

function llamaConfig(file: GgufFile): ModelConfig {
  const { path, metadata, tensors } = file, architecture = metadata.get('general.architecture');
  if (architecture !== 'llama') {
    throw unsupportedError(path, `its architecture is ${quoted(architecture)}`, 'Llama-shaped GGUF files (llama, SmolLM, Mistral) are read.');
  }
  const number = (key: string, fallback?: number): number => {
    const value = metadata.get(`llama.${key}`) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw formatError(path, `llama.${key} is ${quoted(value)}, not a number`);
    return shortestDecimal(value);
  };
  const whole = (key: string, fallback?: number): number => {
    const value = number(key, fallback);
    if (!Number.isSafeInteger(value) || value < 1) throw formatError(path, `llama.${key} is ${value}, not a whole number above 0`);
    return value;
  };
  if (metadata.has('llama.expert_count') && metadata.get('llama.expert_count') !== 0) {
    throw unsupportedError(path, 'it is a mixture of experts', 'Dense llama files are read; use the Hugging Face folder.');
  }
  if (tensors.has('rope_freqs.weight')) {
    throw unsupportedError(path, 'it scales its rotary frequencies (rope_freqs), as Llama 3.1 does', 'Use the Hugging Face folder, whose config.json says how.');
  }
  const hidden = whole('embedding_length'), heads = whole('attention.head_count');
  const embedding = tensors.get('token_embd.weight');
  if (!embedding || embedding.shape.length !== 2 || embedding.shape[1] !== hidden) {
    throw formatError(path, `token_embd.weight does not have rows of ${hidden}`);
  }
  const headDim = whole('attention.key_length', hidden / heads);
  if (whole('rope.dimension_count', headDim) !== headDim) {
    throw unsupportedError(path, 'it rotates only a part of each head', 'Files that rotate whole heads are read.');
  }
  const scaling = metadata.get('llama.rope.scaling.type');
  if (scaling !== undefined && scaling !== 'none' && scaling !== 'linear') {
    throw unsupportedError(path, `its rotary scaling is ${quoted(scaling)}`, 'none and linear are read; use the Hugging Face folder.');
  }
  const id = (key: string): number | undefined => { const v = metadata.get(`tokenizer.ggml.${key}`); return typeof v === 'number' ? v : undefined; };
  const bos = id('bos_token_id'), eos = id('eos_token_id'), pad = id('padding_token_id');
  return {
    architectures: ['LlamaForCausalLM'], model_type: 'llama',
    vocab_size: embedding.shape[0]!, hidden_size: hidden, intermediate_size: whole('feed_forward_length'),
    num_hidden_layers: whole('block_count'), num_attention_heads: heads,
    num_key_value_heads: whole('attention.head_count_kv', heads), head_dim: headDim, hidden_act: 'silu',
    max_position_embeddings: whole('context_length'), rms_norm_eps: number('attention.layer_norm_rms_epsilon'),
    rope_theta: number('rope.freq_base', 10000),
    rope_scaling: scaling === 'linear' ? { rope_type: 'linear', factor: number('rope.scaling.factor') } : null,
    attention_bias: tensors.has('blk.0.attn_q.bias'), attention_dropout: 0, mlp_bias: tensors.has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !tensors.has('output.weight'), initializer_range: 0.02, use_cache: true, torch_dtype: 'float32',
    ...(bos === undefined ? {} : { bos_token_id: bos }), ...(eos === undefined ? {} : { eos_token_id: eos }),
    ...(pad === undefined ? {} : { pad_token_id: pad }),
  };
}

/** Hugging Face's name for a GGUF tensor of the llama architecture. */
export function huggingFaceName(name: string): string | undefined {
  const [, layer, part, kind] = /^blk\.(0|[1-9]\d*)\.([a-z_]+)\.(weight|bias)$/.exec(name) ?? [];
  if (part !== undefined && Object.hasOwn(perLayer, part)) return `model.layers.${layer}.${perLayer[part]}.${kind}`;
  return Object.hasOwn(wholeModel, name) ? wholeModel[name] : undefined;
}

function llamaTensors(file: GgufFile, config: ModelConfig): TensorSource {
  const tensors = new Map<string, TensorEntry>(), inFile = new Map<string, { entry: GgufEntry; headDim: number }>();
  const headDim = config['head_dim'] as number, layers = config['num_hidden_layers'] as number;
  for (const entry of file.tensors.values()) {
    const name = huggingFaceName(entry.name);
    if (name === undefined) throw unsupportedError(file.path, `tensor ${quoted(entry.name)} is not part of a plain llama model`, 'Use the Hugging Face folder.');
    const permuted = /\.[qk]_proj\.(weight|bias)$/.test(name);
    if (permuted && (headDim % 2 !== 0 || entry.shape[0]! % headDim !== 0)) throw formatError(file.path, `tensor ${quoted(entry.name)} does not consist of heads of ${headDim} rows`);
    tensors.set(name, { name, dtype: entry.dtype, shape: entry.shape, byteLength: entry.byteLength });
    inFile.set(name, { entry, headDim: permuted ? headDim : 0 });
  }
  for (let layer = 0; layer < layers; layer++) {
    for (const part of Object.values(perLayer)) {
      const name = `model.layers.${layer}.${part}.weight`;
      if (!tensors.has(name)) missingTensor(file.path, name);
    }
  }
  if (!tensors.has('model.norm.weight')) missingTensor(file.path, 'model.norm.weight');
  const lookUp = (name: string): { entry: GgufEntry; headDim: number } => inFile.get(name) ?? missingTensor(file.path, name);
  return {
    tensors,
    readBytes(name) {
      const { entry, headDim: rows } = lookUp(name), bytes = file.readBytes(entry.name);
      return rows === 0 ? bytes : unpermuteRows(bytes, entry.shape[0]!, rows);
    },
    readFloat32(name, start, count) {
      const { entry, headDim: rows } = lookUp(name);
      if (rows === 0) return file.readFloat32(entry.name, start, count);
      const all = unpermuteRows(file.readFloat32(entry.name), entry.shape[0]!, rows), from = start ?? 0, wanted = count ?? all.length - from;
      if (!(from >= 0 && wanted >= 0 && from + wanted <= elementCount(entry.shape))) throw new RangeError(`elements ${from} to ${from + wanted} of ${name}`);
      return from === 0 && wanted === all.length ? all : all.slice(from, from + wanted);
    },
    close: () => file.close(),
  };
}

/** Rows (heads * headDim) from GGUF's order to Hugging Face's. */
export function unpermuteRows<T extends Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(data: T, rows: number, headDim: number): T {
  const width = data.length / rows, out = data.slice() as T, half = headDim / 2;
  for (let head = 0; head < rows; head += headDim) {
    for (let t = 0; t < 2; t++) {
      for (let j = 0; j < half; j++) {
        const from = (head + 2 * j + t) * width;
        out.set(data.subarray(from, from + width), (head + t * half + j) * width);
      }
    }
  }
  return out;
}
