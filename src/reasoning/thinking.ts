// The one format of thinking, in training and in chat:   prompt → <think>thinking</think>answer
// An empty thought put after the prompt (`noThinking`) makes a model answer at once. Models whose template ends in
// `<think>` begin inside the thought (`inside`). White space directly behind a tag belongs to the format, not the text.

import type { Problem, Task } from './tasks/task.ts';

export const thinkOpen = '<think>';
export const thinkClose = '</think>';
/** Put after a prompt, it forces an answer without thinking. */
export const noThinking: string = thinkOpen + thinkClose;

export interface Thought {
  readonly thinking: string;
  readonly content: string;
  /** Whether a thought was begun and ended; an answer counts only after that. */
  readonly closed: boolean;
}

export function formatThought(thinking: string, answer: string): string {
  return thinkOpen + thinking + thinkClose + answer;
}

/** Takes a whole completion apart. A text without `<think>` at its beginning is content only. */
export function splitThought(text: string, options: { inside?: boolean } = {}): Thought {
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

  constructor({ inside = false }: { inside?: boolean } = {}) {
    this.place = inside ? 'thinking' : 'start';
    this.afterTag = inside;
  }

  /** Whether the text so far ends inside a thought. */
  get inside(): boolean { return this.place === 'thinking'; }
  /** Whether it may still turn out to begin with one. */
  get undecided(): boolean { return this.place === 'start'; }

  /** What of this piece would stand behind the tag that closes the thought; null: the thought would go on. */
  behindClose(piece: string): string | null {
    const text = this.held + piece, at = this.place === 'thinking' ? text.indexOf(thinkClose) : -1;
    return at < 0 ? null : text.slice(at + thinkClose.length).trimStart();
  }

  push(piece: string): { thinking: string; content: string } {
    const news = { thinking: '', content: '' };
    this.held += piece;
    if (this.place === 'start') this.open();
    if (this.place === 'thinking') {
      const end = this.held.indexOf(thinkClose);
      if (end < 0) {
        news.thinking = this.take(this.held.length - openEnd(this.held, thinkClose));
      } else {
        news.thinking = this.take(end);
        this.held = this.held.slice(thinkClose.length);
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
    const text = this.held.trimStart();
    if (text.startsWith(thinkOpen)) {
      this.held = text.slice(thinkOpen.length);
      this.place = 'thinking';
      this.afterTag = true;
    } else if (!thinkOpen.startsWith(text)) {
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
export function reward(task: Task, problem: Problem, completion: string, options: { inside?: boolean; thinks?: boolean } = {}): number {
  const { content, closed } = splitThought(completion, options);
  const complete = task.thinks === false || ((closed || options.thinks === false) && content.trim() !== '');
  if (!complete) return 0;
  return task.verify(problem, content) ? 1 : (task.partial?.(problem, content) ?? 0);
}
