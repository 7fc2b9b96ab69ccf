// Takes thinking tags out of an answer that comes in pieces, cut anywhere. A well-formed thought never gets here; but a
// model may close one that it never opened, or open a second, and clients rely on `content` being without tags.

import { openEnd, thinkClose, thinkOpen } from '../../reasoning/thinking.ts';

export class TagRemover {
  private held = '';

  push(piece: string): string {
    const text = (this.held + piece).replaceAll(thinkOpen, '').replaceAll(thinkClose, '');
    const open = Math.max(openEnd(text, thinkOpen), openEnd(text, thinkClose));
    this.held = text.slice(text.length - open);
    return text.slice(0, text.length - open);
  }

  /** What was held back, when no more text comes. */
  end(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }
}
