// Which models think, and where their answers begin.

import type { TextSide } from '../models/language-model.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { thinkOpen } from './thinking.ts';

/** Whether a model was made to think: its template or its tokens know the tags. */
export function thinks({ tokenizer, chatTemplate }: Pick<TextSide, 'tokenizer' | 'chatTemplate'>): boolean {
  return (chatTemplate ?? '').includes(thinkOpen) || tokenizer.tokenToId(thinkOpen) !== undefined;
}

/** Whether a rendered prompt ends in the tag that opens a thought. */
export const endsInThought = (prompt: string): boolean => prompt.slice(-64).trimEnd().endsWith(thinkOpen);

/** Whether the template opens the thought itself (DeepSeek R1's): what the model writes then begins inside it. */
export function opensThought({ template }: Pick<TextSide, 'template'>, messages: readonly ChatMessage[] = [{ role: 'user', content: '?' }], variables: Readonly<Record<string, unknown>> = {}): boolean {
  return template !== null && endsInThought(template.render(messages, { addGenerationPrompt: true, variables }));
}
