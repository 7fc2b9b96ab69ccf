// From a conversation to the ids the model continues, and how it will think. A template that knows `enable_thinking`
// (Qwen3) writes an empty thought itself; where none stands there, ours is put behind the prompt. A template that ends in
// `<think>` (DeepSeek R1) makes the model begin inside its thought; where thinking is asked for, we put the tag there.

import { type TextSide, encodePrompt, promptText, stopIds } from '../../models/language-model.ts';
import { noThinking } from '../../reasoning/thinking.ts';
import { endsInThought, tagsOf, thinks } from '../../reasoning/thinking-models.ts';
import { toolFormatOf } from '../tools/index.ts';
import type { EngineRequest } from './engine.ts';

export interface PreparedPrompt {
  readonly ids: readonly number[];
  /** The answer begins inside a thought. */
  readonly inside: boolean;
  /** The answer cannot have a thought: an empty one stands before it. */
  readonly closed: boolean;
  /** The answer may begin with a thought. */
  readonly mayThink: boolean;
}

/** Messages as the template reads them; one that does not list functions itself gets them in its system message. */
function withTools(text: TextSide, messages: EngineRequest['messages'], tools: EngineRequest['tools']): EngineRequest['messages'] {
  const describe = toolFormatOf(text.chatTemplate)?.describe;
  if (tools === null || !describe || /\btools\b/.test(text.chatTemplate ?? '')) return messages;
  const [first, ...rest] = messages, words = describe(tools.definitions);
  return first?.role === 'system' ? [{ ...first, content: `${String(first.content)}${words}` }, ...rest] : [{ role: 'system', content: words.trimStart() }, ...messages];
}

export function preparePrompt(text: TextSide, { messages: said, variables, thinking, tools }: Pick<EngineRequest, 'messages' | 'variables' | 'thinking' | 'tools'>): PreparedPrompt {
  const messages = withTools(text, said, tools), enabled = thinking.budget === 0 ? false : thinking.enabled;
  const prompt = promptText(text, messages, { tools: tools?.definitions, variables: { ...variables, ...(enabled !== null && { enable_thinking: enabled }) } });
  const tags = tagsOf(text), { open, close } = tags, tail = prompt.trimEnd(), inside = endsInThought(prompt, tags), closed = tail.endsWith(close) && endsInThought(tail.slice(0, -close.length), tags);
  const encode = (added: string): number[] => [...encodePrompt(text, prompt + added)];
  if (!thinks(text) || enabled === null || closed) return { ids: encode(''), inside, closed, mayThink: thinks(text) && !inside && !closed };
  if (enabled) return { ids: encode(inside ? '' : open), inside: true, closed: false, mayThink: false };
  return { ids: encode(inside ? close : noThinking(tags)), inside: false, closed: true, mayThink: false };
}

/**
 * The prompt, without the oldest turns where it does not fit and that was asked for. A quarter of the context is left for
 * the answer (less if less was asked for); what the system says and the last question always stay.
 */
export function fittingPrompt(text: TextSide, request: Pick<EngineRequest, 'messages' | 'variables' | 'thinking' | 'tools' | 'truncate' | 'maxTokens'>, context: number): { readonly prompt: PreparedPrompt; readonly dropped: number } {
  const whole = preparePrompt(text, request), room = Math.min(request.maxTokens ?? context, Math.ceil(context / 4));
  if (!request.truncate || whole.ids.length + room <= context) return { prompt: whole, dropped: 0 };
  const { messages } = request, head = messages.findIndex((m) => m.role !== 'system'), starts = messages.flatMap((m, i) => (i > head && m.role === 'user' ? [i] : []));
  const without = (turn: number): PreparedPrompt => preparePrompt(text, { ...request, messages: [...messages.slice(0, head), ...messages.slice(starts[turn]!)] });
  // Halved, not tried one after another: every try renders and tokenises, and the other answers wait meanwhile.
  let prompt = whole, dropped = 0, tried = -1, low = 0, high = starts.length - 1;
  while (low < high) {
    const turn = (low + high) >> 1, shorter = without(turn);
    if (shorter.ids.length + room > context) { low = turn + 1; continue; }
    [prompt, dropped, tried, high] = [shorter, starts[turn]! - head, turn, turn];
  }
  if (low < starts.length && tried !== low) [prompt, dropped] = [without(low), starts[low]! - head];
  return { prompt, dropped };
}

/** Ids that end an answer. */
export const endIds = (text: TextSide): ReadonlySet<number> => new Set(stopIds(text));
