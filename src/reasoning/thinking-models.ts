// Which models think, by which tags, and where their answers begin.

import { type TextSide, promptText } from '../models/language-model.ts';
import { type ThinkTags, type ThoughtPlace, knownTags } from './thinking.ts';

/** What a model's thoughts are marked by: the tags its template names, else `<think>`. */
export const tagsOf = ({ chatTemplate = '' }: Pick<TextSide, 'chatTemplate'>): ThinkTags => knownTags.find(({ open }) => chatTemplate.includes(open)) ?? knownTags[0];

/** Whether a model was made to think: its template or its tokens know the tags. */
export function thinks(text: Pick<TextSide, 'tokenizer' | 'chatTemplate'>): boolean {
  const { open } = tagsOf(text);
  return (text.chatTemplate ?? '').includes(open) || text.tokenizer.tokenToId(open) !== undefined;
}

/** Whether a rendered prompt ends in the tag that opens a thought. */
export const endsInThought = (prompt: string, { open }: ThinkTags): boolean => prompt.slice(-64).trimEnd().endsWith(open);

/** Whether the template opens the thought itself (DeepSeek R1's): what the model writes then begins inside it. `prompt` is one it rendered; any is alike unless its variables say otherwise. */
export function opensThought(text: Pick<TextSide, 'template' | 'chatTemplate'>, prompt: string = promptText(text, [{ role: 'user', content: '?' }])): boolean {
  return text.template !== null && endsInThought(prompt, tagsOf(text));
}

/** Where the answers of a model begin, and its tags. */
export const thoughtPlace = (text: Pick<TextSide, 'template' | 'chatTemplate'>): Required<ThoughtPlace> => ({ inside: opensThought(text), tags: tagsOf(text) });
