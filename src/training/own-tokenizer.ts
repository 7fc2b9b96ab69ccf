// A tokenizer for a new model from its own texts: byte-level BPE of a wished size, or single characters. It has the tokens
// of a conversation and of thinking from the start, so that what was pre-trained can be taught to answer without new ones.
// A model that only reads texts has no chat template: it continues what one writes.

import { statSync } from 'node:fs';
import { TiefsucheError } from '../errors.ts';
import { bornChatTemplate } from '../reasoning/task-tokenizer.ts';
import { thinkClose, thinkOpen } from '../reasoning/thinking.ts';
import { charTokenizer } from '../tokenizer/char-tokenizer.ts';
import type { TokenizerConfig, TokenizerJson } from '../tokenizer/tokenizer-json.ts';
import { trainTokenizer } from '../tokenizer/train.ts';
import { readDocuments } from './documents.ts';

export const ownChatTemplate = bornChatTemplate("{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}");

const specials = ['<|pad|>', '<|unknown|>', '<|end|>', '<|system|>', '<|user|>', '<|assistant|>', thinkOpen, thinkClose];
const roles = { eos: '<|end|>', pad: '<|pad|>', unk: '<|unknown|>' };

interface Files { readonly tokenizerJson: TokenizerJson; readonly tokenizerConfig: TokenizerConfig; readonly chatTemplate: string | undefined }

/** The last one: a plan, an estimate and the run itself want the same. */
let made: { readonly key: string; readonly files: Files } | undefined;

/**
 * @param path of the texts
 * @param vocabSize tokens in all, 264 at least; null: one for each character there is
 * @param talks whether the model is to hold conversations
 * @throws CONFIG, INPUT, NOT_FOUND
 */
export async function ownTokenizer(path: string, vocabSize: number | null, talks: boolean): Promise<Files> {
  const stat = statSync(path, { throwIfNoEntry: false }), key = JSON.stringify([path, vocabSize, talks, stat?.mtimeMs, stat?.size]);
  if (made?.key === key) return made.files;
  const documents = await readDocuments(path), chatTemplate = talks ? ownChatTemplate : undefined;
  if (vocabSize === null) {
    const characters = [...new Set(documents.flatMap((text) => [...text]))].sort();
    if (characters.length > 20_000) throw new TiefsucheError('CONFIG', `${path} has ${characters.length} different characters`, { hint: 'Say tokenizer.vocab_size for byte-level BPE instead.' });
    made = { key, files: { ...charTokenizer(characters, { tokens: specials, ...roles }), chatTemplate } };
  } else {
    const { tokenizerJson, tokenizerConfig } = await trainTokenizer(documents, { vocabSize, specialTokens: specials, roles });
    made = { key, files: { tokenizerJson, tokenizerConfig, chatTemplate } };
  }
  return made.files;
}
