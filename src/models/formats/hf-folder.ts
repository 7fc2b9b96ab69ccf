// Hugging Face model folders: config.json, model.safetensors (or shards), tokenizer.json, tokenizer_config.json,
// generation_config.json, chat_template.jinja. A folder is written beside its place and renamed, with the same bytes
// for the same content, so that its hashes can be published.

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { digitCompletionTokenizer } from '../../tokenizer/char-tokenizer.ts';
import type { TokenizerConfig } from '../../tokenizer/tokenizer-json.ts';
import { writeFolderAtomic } from '../../durable-file.ts';
import { withoutBareNames } from './bare-names.ts';
import { formatError } from './format-error.ts';
import { withoutFp8 } from './fp8-blocks.ts';
import type { ModelConfig, ModelFiles } from './model-files.ts';
import { readSafetensorsFolder, writeSafetensorsFolder } from './safetensors-folder.ts';
import type { TensorSource } from './tensor-source.ts';
import type { TensorToWrite } from './safetensors-write.ts';

// tokenizer.json files reach 20 MB; nothing legitimate is near this.
const largestText = 256 << 20;

/**
 * Opens a folder. The weights' headers are checked, no weight is read. Close it when done. A folder with `char_ords`
 * instead of a tokenizer.json gets the tokenizer they stand for.
 * @param openWeights for weights that lie elsewhere than the rest
 */
export function openModelFolder(folder: string, openWeights: () => TensorSource = () => readSafetensorsFolder(folder)): ModelFiles {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new TiefsucheError('NOT_FOUND', `there is no model folder ${folder}`, { hint: 'Give the folder that holds config.json.' });
  }
  const config = readJson(folder, 'config.json');
  if (!config) throw new TiefsucheError('NOT_FOUND', `${folder} has no config.json`, { hint: 'Give the folder that holds config.json.' });
  if (typeof config['model_type'] !== 'string') throw formatError(join(folder, 'config.json'), 'it has no model_type');
  let tokenizerConfig: TokenizerConfig = readJson(folder, 'tokenizer_config.json') ?? {};
  let tokenizerJson: string | object | undefined = readText(folder, 'tokenizer.json');
  if (tokenizerJson === undefined && 'char_ords' in tokenizerConfig) {
    ({ tokenizerJson, tokenizerConfig } = digitCompletionTokenizer(tokenizerConfig));
  }
  const generationConfig = readJson(folder, 'generation_config.json') ?? {};
  const chatTemplates = readChatTemplates(folder, tokenizerConfig);
  const { quantization_config: quantization, ...plain } = config, stored = openWeights();
  let weights: TensorSource;
  try { weights = withoutBareNames(withoutFp8(folder, stored, quantization)); } catch (error) { stored.close(); throw error; }
  return {
    path: folder, config: plain as ModelConfig, weights, tokenizerJson, tokenizerConfig, generationConfig, chatTemplates,
    chatTemplate: chatTemplates.get('default'), close: () => weights.close(),
  };
}

/** chat_template.jinja wins over tokenizer_config.json, where it is one text or a list of {name, template}. */
function readChatTemplates(folder: string, tokenizerConfig: TokenizerConfig): Map<string, string> {
  const templates = new Map<string, string>(), inConfig = tokenizerConfig['chat_template'];
  if (typeof inConfig === 'string') templates.set('default', inConfig);
  else if (Array.isArray(inConfig)) {
    for (const item of inConfig as readonly unknown[]) {
      const { name, template } = (typeof item === 'object' && item !== null ? item : {}) as { name?: unknown; template?: unknown };
      if (typeof name !== 'string' || typeof template !== 'string') {
        throw formatError(join(folder, 'tokenizer_config.json'), 'chat_template is a list with an entry that lacks name or template');
      }
      templates.set(name, template);
    }
  } else if (inConfig !== undefined && inConfig !== null) {
    throw formatError(join(folder, 'tokenizer_config.json'), 'chat_template is neither a text nor a list');
  }
  const own = readText(folder, 'chat_template.jinja');
  if (own !== undefined) templates.set('default', own);
  return templates;
}

function readText(folder: string, name: string): string | undefined {
  const path = join(folder, name);
  if (!existsSync(path)) return undefined;
  if (statSync(path).size > largestText) throw formatError(path, `it is larger than ${largestText} bytes`);
  return readFileSync(path, 'utf8');
}

function readJson(folder: string, name: string): Record<string, unknown> | undefined {
  const text = readText(folder, name);
  if (text === undefined) return undefined;
  let value: unknown;
  try { value = JSON.parse(text); } catch (cause) {
    throw formatError(join(folder, name), `it is not valid JSON (${(cause as Error).message})`, undefined, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw formatError(join(folder, name), 'it is not a JSON object');
  return value as Record<string, unknown>;
}

export interface ModelToSave {
  readonly config: ModelConfig;
  /** Weights under Hugging Face's names. */
  readonly tensors: Iterable<TensorToWrite>;
  readonly tokenizerJson?: string | object | undefined;
  readonly tokenizerConfig?: TokenizerConfig | undefined;
  readonly generationConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly chatTemplate?: string | undefined;
  /** Further text files, such as README.md and LICENSE. */
  readonly files?: Readonly<Record<string, string>>;
  readonly maxShardBytes?: number;
}

/** Writes a folder that transformers, vLLM, mlx-lm and llama.cpp's converter load. An older folder is replaced whole. */
export async function saveModelFolder(folder: string, model: ModelToSave): Promise<void> {
  await writeFolderAtomic(folder, async (place) => {
    await writeSafetensorsFolder(place, model.tensors, { format: 'pt' }, model.maxShardBytes);
    writeTextFiles(place, model);
  });
}

/** The same without weights: what turns weights that lie elsewhere into a model. */
export async function saveModelWithoutWeights(folder: string, model: Omit<ModelToSave, 'tensors'>): Promise<void> {
  await writeFolderAtomic(folder, (place) => writeTextFiles(place, model));
}

function writeTextFiles(place: string, model: Omit<ModelToSave, 'tensors'>): void {
  const put = (name: string, text: string): void => writeFileSync(join(place, name), text, { flag: 'wx' });
  put('config.json', settingsJson(model.config));
  if (model.tokenizerJson !== undefined) {
    put('tokenizer.json', typeof model.tokenizerJson === 'string' ? model.tokenizerJson : `${JSON.stringify(model.tokenizerJson, null, 1)}\n`);
  }
  if (model.tokenizerConfig) {
    // The same template in both places: older loaders read it from the config, newer ones from the file.
    const { chat_template: _, ...rest } = model.tokenizerConfig;
    put('tokenizer_config.json', prettyJson(model.chatTemplate === undefined ? model.tokenizerConfig : { ...rest, chat_template: model.chatTemplate }));
    put('special_tokens_map.json', prettyJson(specialTokens(model.tokenizerConfig)));
  }
  if (model.chatTemplate !== undefined) put('chat_template.jinja', model.chatTemplate);
  if (model.generationConfig) put('generation_config.json', settingsJson(model.generationConfig));
  for (const [name, text] of Object.entries(model.files ?? {})) put(name, text);
}

const specialTokens = (config: TokenizerConfig): Record<string, unknown> =>
  Object.fromEntries(Object.entries(config).filter(([name, value]) => name.endsWith('_token') && value !== null && typeof value !== 'boolean'));

// transformers 5 refuses a whole number where it expects a fraction, and JSON.parse has no fractions that are whole.
const fractions = ['routed_scaling_factor', 'rms_norm_eps', 'initializer_range', 'rope_theta', 'factor', 'attention_factor', 'beta_fast', 'beta_slow',
  'mscale', 'mscale_all_dim', 'aux_loss_alpha', 'temperature', 'top_p', 'min_p', 'repetition_penalty'];
const wholeFraction = new RegExp(`^( *"(?:${fractions.join('|')})": -?\\d+)(,?)$`, 'gm');

/** config.json and generation_config.json: 1 is written as 1.0 where the setting is a fraction. */
export const settingsJson = (value: unknown): string => prettyJson(value).replace(wholeFraction, '$1.0$2');

/** JSON as transformers writes it: keys sorted, two spaces, a newline at the end. */
export function prettyJson(value: unknown): string {
  const sorted = (v: unknown): unknown => {
    if (Array.isArray(v)) return v.map(sorted);
    if (typeof v !== 'object' || v === null) return v;
    const keys = Object.keys(v).sort();
    return Object.fromEntries(keys.map((k) => [k, sorted((v as Record<string, unknown>)[k])]));
  };
  return `${JSON.stringify(sorted(value), null, 2)}\n`;
}
