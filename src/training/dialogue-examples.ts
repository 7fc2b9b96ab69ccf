// From a conversation to token ids, of which those are trained that the model is to write: every answer of the assistant,
// up to and with the token that ends its turn. An answer is encoded apart from what stands before it, as it is when the
// model answers. A template that is prefix-preserving (a conversation begins with the rendered beginning of itself) gives
// one example with several trained ranges; one that is not (it drops earlier thinking, say) gives an example per answer,
// each behind the very prompt that serving would render. Where the template marks what the model writes ({% generation %}),
// the marked text is trained, and nothing else.

import { TiefsucheError } from '../errors.ts';
import { type TextSide, stopIds } from '../models/language-model.ts';
import { endsInThought, tagsOf } from '../reasoning/thinking-models.ts';
import type { ChatMessage, ChatTemplate, MarkedText } from '../tokenizer/chat-template.ts';
import type { Example } from './batches.ts';
import type { Dialogue } from './dialogue.ts';

/** Ids of a row with the ranges that are trained. `where` names the row in errors. */
export function dialogueExamples(side: TextSide, dialogue: Dialogue, where: string): Example[] {
  const { tokenizer } = side, stops = stopIds(side), stop = stops.slice(0, 1);
  if (dialogue.form === 'text') return [{ ids: Int32Array.from([...tokenizer.encode(dialogue.text, { addSpecialTokens: true }), ...stop]), from: 1 }];
  const { messages, tools } = dialogue, answers = messages.flatMap((m, i) => (m.role === 'assistant' ? [i] : []));
  const examples = (side.template?.marksGeneration ? byMarks(side.template) : together(answers)) ?? answers.map((i) => finish([prompt(i), answerAlone(i)]));
  if (examples.every((e) => e.spans!.length === 0)) throw new TiefsucheError('INPUT', `${where}: not one token would be trained`, { hint: 'The answers are empty; look at it with `tiefsuche data inspect`.' });
  return examples.filter((e) => e.spans!.length > 0);

  /** What the model has read when it begins answer i. */
  function prompt(i: number): string {
    const before = messages.slice(0, i);
    if (!side.template) return before.map((m) => `${String(m.content ?? '')}\n`).join('');
    return side.template.render(before, { addGenerationPrompt: true, ...(tools && { tools }) });
  }

  /** The answer behind its prompt; as the template writes it where that can be seen, else its thinking and words as they are. */
  function answerAlone(i: number): string {
    const before = prompt(i), whole = side.template?.render(messages.slice(0, i + 1), tools ? { tools } : {}) ?? '';
    const message = messages[i]!, thinking = thinkingOf(message), written = whole.startsWith(before) ? whole.slice(before.length) : '';
    if (written.includes(String(message.content).trim()) && written.includes(thinking.trim())) return written;
    const { open, close } = tagsOf(side), begun = endsInThought(before, { open, close }); // the template opens the thought by itself
    const thought = thinking === '' && !begun ? '' : `${begun ? '' : `${open}\n`}${thinking}\n${close}\n\n`;
    return thought + String(message.content);
  }

  /** The marked text of all answers in one example where the conversation begins with each beginning of itself; else of each behind its prompt. */
  function byMarks(template: ChatTemplate): Example[] {
    const options = tools ? { tools } : {}, upTo = answers.map((i) => template.renderMarked(messages.slice(0, i + 1), options)), whole = upTo.at(-1)!;
    if (answers.every((i, n) => whole.text.startsWith(prompt(i)) && whole.text.startsWith(upTo[n]!.text.trimEnd()))) return [marked(whole, 0)];
    return answers.map((i, n) => marked(upTo[n]!, prompt(i).length));
  }

  /** Marked ranges that begin at `from` or later; what stands before, between and in them is encoded apart, as answers are. */
  function marked({ text, generated }: MarkedText, from: number): Example {
    const ids: number[] = [], spans: [number, number][] = [];
    let at = 0;
    for (const [begin, end] of generated.filter((range) => range[1] > range[0] && range[0] >= from)) {
      ids.push(...tokenizer.encode(text.slice(at, begin)));
      const start = ids.length;
      ids.push(...tokenizer.encode(text.slice(begin, end)));
      if (ids.length > Math.max(1, start)) spans.push([Math.max(1, start), ids.length]);
      at = end;
    }
    return { ids: Int32Array.from(ids), from: spans[0]?.[0] ?? ids.length, spans };
  }

  /** All answers in one example, if the template lets prompts and answers follow one another as they are. */
  function together(indices: readonly number[]): Example[] | null {
    const parts: string[] = [];
    let text = '';
    for (const i of indices) {
      const before = prompt(i);
      if (!before.startsWith(text)) return null;
      const written = answerAlone(i);
      parts.push(before.slice(text.length), written);
      text = before + written;
    }
    return [finish(parts)];
  }

  /** Prompt, answer, prompt, answer …: the answers are trained up to their end token. */
  function finish(parts: readonly string[]): Example {
    const ids: number[] = [], spans: [number, number][] = [];
    parts.forEach((part, n) => {
      const own = [...tokenizer.encode(part)];
      if (n % 2 === 1) {
        let end = own.findIndex((id) => stops.includes(id));
        if (end < 0) { if (n === parts.length - 1) own.push(...stop); end = own.length - 1; }
        if (part.trim() !== '') spans.push([Math.max(1, ids.length), ids.length + end + 1]);
      }
      ids.push(...own);
    });
    const end = spans.at(-1)?.[1] ?? ids.length; // what follows the last answer teaches nothing
    return { ids: Int32Array.from(ids.slice(0, end)), from: spans[0]?.[0] ?? end, spans };
  }
}

const thinkingOf = (message: ChatMessage): string => (typeof message['reasoning_content'] === 'string' ? message['reasoning_content'] : '');
