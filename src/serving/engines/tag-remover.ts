// Takes thinking tags out of an answer that comes in pieces, cut anywhere. A well-formed thought never gets here; but a
// model may close one that it never opened, or open a second, and clients rely on `content` being without tags.

import { type ThinkTags, cutOpenEnd, knownTags } from '../../reasoning/thinking.ts';

export class TagRemover {
  private readonly tags: readonly string[];
  private held = '';

  /** @param tags of the model; `<think>` goes with any, as clients know it */
  constructor(tags: ThinkTags = knownTags[0]) { this.tags = [...new Set([knownTags[0], tags].flatMap(({ open, close, marks = [] }) => [open, close, ...marks]))]; }

  push(piece: string): string {
    const [certain, held] = cutOpenEnd(this.tags.reduce((text, tag) => text.replaceAll(tag, ''), this.held + piece), this.tags);
    this.held = held;
    return certain;
  }

  /** What was held back, when no more text comes. */
  end(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }
}
