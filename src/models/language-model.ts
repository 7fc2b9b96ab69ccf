// A model with its tokenizer and chat template: what chat, evaluation and training work with.

import { TiefsucheError, invariant } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { type ChatMessage, type ChatTemplate, compileChatTemplate, templateVariables } from '../tokenizer/chat-template.ts';
import { type Tokenizer, loadTokenizer } from '../tokenizer/tokenizer.ts';
import type { TokenizerConfig } from '../tokenizer/tokenizer-json.ts';
import { loadAdapted } from './adapter-files.ts';
import type { Architecture } from './architecture.ts';
import type { ConfigJson } from './config.ts';
import type { WritableDtype } from './formats/dtypes.ts';
import { type ModelToSave, saveModelFolder, saveModelWithoutWeights } from './formats/hf-folder.ts';
import { loadModel, openModelFiles, writtenModel } from './load.ts';
import { Model, type ModelOptions } from './model.ts';
import { applyLora } from './lora.ts';
import { architectureOf } from './index.ts';
import { fitTokenizer } from './tokenizer-fit.ts';

export interface TextSide {
  readonly tokenizer: Tokenizer;
  readonly template: ChatTemplate | null;
  readonly chatTemplate: string | undefined;
  readonly generationConfig: Readonly<Record<string, unknown>>;
}

export interface LanguageModel extends TextSide { readonly model: Model }

/** @param rows of the embedding, where there is one: ids stay below */
export function textSide(files: { tokenizerJson: string | object | undefined; tokenizerConfig: TokenizerConfig; chatTemplate: string | undefined; generationConfig: Readonly<Record<string, unknown>> }, rows = Infinity): TextSide {
  if (files.tokenizerJson === undefined) throw new TiefsucheError('NOT_FOUND', 'the model has no tokenizer.json', { hint: 'Put the tokenizer.json the model was trained with beside its weights.' });
  const tokenizer = fitTokenizer(loadTokenizer(files.tokenizerJson, files.tokenizerConfig), rows);
  const template = files.chatTemplate === undefined ? null : compileChatTemplate(files.chatTemplate, templateVariables(files.tokenizerConfig));
  return { tokenizer, template, chatTemplate: files.chatTemplate, generationConfig: files.generationConfig };
}

/** Opens a Hugging Face folder or GGUF file with everything needed to talk to it; `adapter` is the folder of a PEFT adapter to put on it. */
export function openLanguageModel(backend: Backend, path: string, { adapter, ...options }: ModelOptions & { readonly adapter?: string | undefined } = {}): LanguageModel {
  const files = openModelFiles(path);
  try {
    const side = textSide(files, architectureOf(files.config.model_type).dimensions(files.config).vocab);
    return { model: adapter === undefined ? loadModel(backend, files, options) : loadAdapted(backend, files, adapter, options), ...side };
  } finally {
    files.close();
  }
}

/** Ids that end an answer: those of the generation config, and the tokenizer's end token. */
export function stopIds({ tokenizer, generationConfig }: TextSide): number[] {
  const eos = generationConfig['eos_token_id'];
  const listed = (Array.isArray(eos) ? eos : [eos]).filter((id): id is number => typeof id === 'number');
  const own = tokenizer.specialTokens.eos;
  return [...new Set([...listed, ...(own === undefined ? [] : [own])])];
}

export interface PromptOptions {
  /** Further names for the template. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** Functions the model may call. */
  readonly tools?: readonly unknown[] | undefined;
}

/** A conversation as the model reads it before it answers. */
export function promptText({ template }: Pick<TextSide, 'template'>, messages: readonly ChatMessage[], { variables = {}, tools }: PromptOptions = {}): string {
  return template ? template.render(messages, { addGenerationPrompt: true, variables, ...(tools && { tools }) }) : messages.map((m) => String(m.content ?? '')).join('\n');
}

/** Its token ids; templates write their special tokens themselves. */
export const encodePrompt = ({ tokenizer, template }: TextSide, prompt: string): Int32Array => tokenizer.encode(prompt, { addSpecialTokens: !template });

/** Token ids of a conversation that the model is to continue. */
export const promptIds = (side: TextSide, messages: readonly ChatMessage[], options: PromptOptions = {}): Int32Array => encodePrompt(side, promptText(side, messages, options));

/** Ids that transformers would otherwise fill in from the first model of the architecture. */
function tokenIds(side: TextSide): Record<string, unknown> {
  const { bos, pad } = side.tokenizer.specialTokens, ends = stopIds(side);
  return { bos_token_id: bos ?? null, eos_token_id: ends.length === 1 ? ends[0] : ends.length === 0 ? null : ends, pad_token_id: pad ?? null };
}

/** Everything of a Hugging Face folder but the weights. */
export function folderFiles(architecture: Architecture, config: ConfigJson, side: TextSide, dtype: WritableDtype = 'F32'): Omit<ModelToSave, 'tensors'> {
  const ids = tokenIds(side), { tokenizer, chatTemplate, generationConfig } = side, dtypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;
  return {
    config: { ...architecture.settings(config), ...ids, ...config, architectures: [architecture.className], torch_dtype: dtypes[dtype] } as never,
    tokenizerJson: tokenizer.json, tokenizerConfig: tokenizer.config, chatTemplate, generationConfig: { ...generationConfig, ...ids },
  };
}

/** Writes a Hugging Face folder; LoRA is merged into the weights. `files`: further texts, as the licence of what it grew from. */
export async function saveLanguageModel(folder: string, language: LanguageModel, files: Readonly<Record<string, string>> = {}): Promise<void> {
  const { model } = language;
  invariant(!model.compressed || model.lora, 'a model in few bits is not saved');
  const weights = model.lora ? applyLora(writtenModel(model), model.lora) : writtenModel(model);
  await saveModelFolder(folder, { ...folderFiles(model.architecture, model.config, language), tensors: weights, files });
}

/** Writes a Hugging Face folder but for the weights, which checkpoints hold. */
export async function saveLanguageModelWithoutWeights(folder: string, language: LanguageModel): Promise<void> {
  await saveModelWithoutWeights(folder, folderFiles(language.model.architecture, language.model.config, language));
}
