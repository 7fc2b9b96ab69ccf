// Rows of a data file as what they mean: a conversation or plain text. Recognised by their keys, in this order:
// `messages` (OpenAI, TRL), `conversations` (ShareGPT), `prompt` + `completion` as texts or as messages (TRL),
// `instruction` + `input` + `output` (Alpaca), `question` + `answer`, `text`. Thinking is accepted as `reasoning_content`,
// `reasoning`, `thinking`, or inline <think>…</think>, and becomes `reasoning_content`.

import { TiefsucheError } from '../errors.ts';
import { knownTags, splitThought } from '../reasoning/thinking.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';

export type DataForm = 'messages' | 'sharegpt' | 'prompt-completion' | 'alpaca' | 'question-answer' | 'text';

export type Dialogue =
  | { readonly form: Exclude<DataForm, 'text'>; readonly messages: readonly ChatMessage[]; readonly tools?: readonly unknown[] }
  | { readonly form: 'text'; readonly text: string };

type Row = Readonly<Record<string, unknown>>;

const roles: Readonly<Record<string, string>> = { human: 'user', user: 'user', gpt: 'assistant', assistant: 'assistant', chatgpt: 'assistant', model: 'assistant', system: 'system', tool: 'tool', observation: 'tool', developer: 'developer' };

const textOf = (row: Row, ...keys: string[]): string | undefined => {
  for (const key of keys) if (typeof row[key] === 'string') return row[key] as string;
  return undefined;
};

/** What a row says. `where` names it in errors. */
export function dialogueOf(row: Row, where: string): Dialogue {
  const refuse = (what: string): never => {
    throw new TiefsucheError('INPUT', `${where}: ${what}`, { hint: 'Known forms: {"messages": [{"role", "content"}, …]}, {"conversations": [{"from", "value"}, …]}, {"prompt", "completion"}, {"instruction", "input", "output"}, {"question", "answer"}, {"text"}.' });
  };
  const messages = (list: unknown, key: string): ChatMessage[] => {
    if (!Array.isArray(list) || list.length === 0) return refuse(`${key} is not a list of messages`);
    return list.map((item: unknown, i) => messageOf(item as Row, () => refuse(`${key}[${i}] has no role that is known, or something other than text`)));
  };
  const talk = (form: Exclude<DataForm, 'text'>, all: ChatMessage[]): Dialogue => {
    if (!all.some((m) => m.role === 'assistant')) refuse('nobody answers: there is no message of the assistant to learn from');
    const last = all.findLastIndex((m) => m.role === 'assistant'); // nothing is learned from what comes after it
    return { form, messages: all.slice(0, last + 1), ...(Array.isArray(row['tools']) && { tools: row['tools'] as unknown[] }) };
  };
  if (row['messages'] !== undefined) return talk('messages', messages(row['messages'], 'messages'));
  if (row['conversations'] !== undefined) return talk('sharegpt', messages(row['conversations'], 'conversations'));
  if (Array.isArray(row['prompt']) && Array.isArray(row['completion'])) return talk('prompt-completion', [...messages(row['prompt'], 'prompt'), ...messages(row['completion'], 'completion')]);
  for (const [form, ask, answer] of [['prompt-completion', 'prompt', ['completion', 'response']], ['alpaca', 'instruction', ['output', 'response']], ['question-answer', 'question', ['answer']]] as const) {
    const question = textOf(row, ask), reply = textOf(row, ...answer);
    if (question === undefined || reply === undefined) continue;
    const system = textOf(row, 'system'), input = form === 'alpaca' ? textOf(row, 'input') : undefined;
    return talk(form, [...(system ? [{ role: 'system', content: system }] : []), { role: 'user', content: input ? `${question}\n\n${input}` : question }, answered({ role: 'assistant', content: reply })]);
  }
  const text = textOf(row, 'text');
  if (text !== undefined) return { form: 'text', text };
  return refuse(`no form of training data that is known (keys: ${Object.keys(row).join(', ')})`);
}

function messageOf(item: Row, refuse: () => never): ChatMessage {
  if (typeof item !== 'object' || item === null) return refuse();
  const role = roles[String(item['role'] ?? item['from'])], given = item['content'] ?? item['value'], content = Array.isArray(given) ? textOfParts(given) : given;
  if (role === undefined || (typeof content !== 'string' && item['tool_calls'] === undefined)) return refuse();
  const { from: _, value: __, ...rest } = item;
  const message: ChatMessage = { ...rest, role, content: content ?? '' };
  return role === 'assistant' ? answered(message) : message;
}

/** Content in parts, as OpenAI writes it: texts joined; undefined where a part is something else, as an image. */
function textOfParts(parts: readonly unknown[]): string | undefined {
  let text = '';
  for (const part of parts as readonly ({ type?: unknown; text?: unknown } | null)[]) {
    if (part?.type !== 'text' || typeof part.text !== 'string') return undefined;
    text += part.text;
  }
  return text;
}

/** An answer with its thinking under one name. */
function answered(message: ChatMessage): ChatMessage {
  const { reasoning, thinking, reasoning_content, ...rest } = message;
  const given = [reasoning_content, reasoning, thinking].find((t): t is string => typeof t === 'string' && t !== '');
  if (given !== undefined) return { ...rest, role: message.role, reasoning_content: given };
  const content = String(message.content);
  const tags = knownTags.find(({ open }) => content.startsWith(open));
  if (!tags) return { ...rest, role: message.role };
  const thought = splitThought(content, { tags });
  return { ...rest, role: message.role, content: thought.content, reasoning_content: thought.thinking };
}
