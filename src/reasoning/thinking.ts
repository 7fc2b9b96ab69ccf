// The one format of thinking, in training and in chat:   prompt → <think>thinking</think>answer
// Some open models write other tags; theirs are `knownTags`, and a model's own are found by thinking-models.ts.
// An empty thought put after the prompt (`noThinking`) makes a model answer at once. Models whose template ends in
// `<think>` begin inside the thought (`inside`). White space directly behind a tag belongs to the format, not the text.

import type { Problem, Task } from './tasks/task.ts';

export const thinkOpen = '<think>';
export const thinkClose = '</think>';

export interface ThinkTags { readonly open: string; readonly close: string; /** Further marks of the format, which belong to no answer. */ readonly marks?: readonly string[] }
/** DeepSeek, Qwen, GLM, SmolLM3 and ours; then Mistral's, Seed-OSS's, and the channels of gpt-oss. */
export const knownTags: readonly [ThinkTags, ...ThinkTags[]] = [
  { open: thinkOpen, close: thinkClose }, { open: '[THINK]', close: '[/THINK]' }, { open: '<seed:think>', close: '</seed:think>' },
  { open: '<|channel|>analysis<|message|>', close: '<|end|><|start|>assistant<|channel|>final<|message|>', marks: ['<|channel|>final<|message|>', '<|channel|>commentary<|message|>', '<|start|>assistant', '<|end|>'] },
];
const [usual] = knownTags;

/** Put after a prompt, it forces an answer without thinking. */
export const noThinking = ({ open, close }: ThinkTags = usual): string => open + close;

export interface Thought {
  readonly thinking: string;
  readonly content: string;
  /** Whether a thought was begun and ended; an answer counts only after that. */
  readonly closed: boolean;
}

export function formatThought(thinking: string, answer: string, { open, close }: ThinkTags = usual): string {
  return open + thinking + close + answer;
}

/** Where a completion begins, and what a thought is marked by. */
export interface ThoughtPlace { readonly inside?: boolean; readonly tags?: ThinkTags }

/** Takes a whole completion apart. A text without `<think>` at its beginning is content only. */
export function splitThought(text: string, options: ThoughtPlace = {}): Thought {
  const splitter = new ThoughtSplitter(options);
  const body = splitter.push(text);
  const rest = splitter.end();
  return { thinking: body.thinking + rest.thinking, content: body.content + rest.content, closed: splitter.closed };
}

/** Length of the longest end of `text` that is a beginning of `tag`, but not all of it. */
function openEnd(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}

/** Cuts a text where one of the tags may have begun: what is certain, and what waits for more. */
export function cutOpenEnd(text: string, tags: readonly string[]): [certain: string, held: string] {
  const at = text.length - Math.max(...tags.map((tag) => openEnd(text, tag)));
  return [text.slice(0, at), text.slice(at)];
}

/** Takes a completion apart that arrives in pieces, cut anywhere: each push returns what is new and certain. */
export class ThoughtSplitter {
  closed = false;
  private place: 'start' | 'thinking' | 'content';
  private held = '';          // may still turn out to be a tag
  private afterTag: boolean;  // white space here is dropped
  private readonly tags: ThinkTags;

  constructor({ inside = false, tags = usual }: ThoughtPlace = {}) {
    this.tags = tags;
    this.place = inside ? 'thinking' : 'start';
    this.afterTag = inside;
  }

  /** Whether the text so far ends inside a thought. */
  get inside(): boolean { return this.place === 'thinking'; }
  /** Whether it may still turn out to begin with one. */
  get undecided(): boolean { return this.place === 'start'; }

  /** What of this piece would stand behind the tag that closes the thought; null: the thought would go on. */
  behindClose(piece: string): string | null {
    const text = this.held + piece, at = this.place === 'thinking' ? text.indexOf(this.tags.close) : -1;
    return at < 0 ? null : text.slice(at + this.tags.close.length).trimStart();
  }

  push(piece: string): { thinking: string; content: string } {
    const news = { thinking: '', content: '' };
    this.held += piece;
    if (this.place === 'start') this.open();
    if (this.place === 'thinking') {
      const { close } = this.tags, end = this.held.indexOf(close);
      if (end < 0) {
        news.thinking = this.take(this.held.length - openEnd(this.held, close));
      } else {
        news.thinking = this.take(end);
        this.held = this.held.slice(close.length);
        this.place = 'content';
        this.closed = this.afterTag = true;
      }
    }
    if (this.place === 'content') news.content = this.take(this.held.length);
    return news;
  }

  /** What was held back because it looked like a tag, when no more text comes. */
  end(): { thinking: string; content: string } {
    const rest = this.take(this.held.length);
    return this.place === 'thinking' ? { thinking: rest, content: '' } : { thinking: '', content: rest };
  }

  private open(): void {
    const text = this.held.trimStart(), { open } = this.tags;
    if (text.startsWith(open)) {
      this.held = text.slice(open.length);
      this.place = 'thinking';
      this.afterTag = true;
    } else if (!open.startsWith(text)) {
      this.place = 'content';
    }
  }

  private take(length: number): string {
    let text = this.held.slice(0, length);
    this.held = this.held.slice(length);
    if (this.afterTag) {
      text = text.trimStart();
      if (text !== '') this.afterTag = false;
    }
    return text;
  }
}

/** 1 for a closed thought with a right answer behind it, else 0. A task or model (`thinks: false`) may do without the thought, and a task may give a part. */
export function reward(task: Task, problem: Problem, completion: string, options: ThoughtPlace & { readonly thinks?: boolean } = {}): number {
  const { content, closed } = splitThought(completion, options);
  const complete = task.thinks === false || ((closed || options.thinks === false) && content.trim() !== '');
  if (!complete) return 0;
  return task.verify(problem, content) ? 1 : (task.partial?.(problem, content) ?? 0);
}
