// Takes thinking tags out of an answer that comes in pieces, cut anywhere. A well-formed thought never gets here; but a
// model may close one that it never opened, or open a second, and clients rely on `content` being without tags.

import { cutOpenEnd, thinkClose, thinkOpen } from '../../reasoning/thinking.ts';

export class TagRemover {
  private held = '';

  push(piece: string): string {
    const [certain, held] = cutOpenEnd((this.held + piece).replaceAll(thinkOpen, '').replaceAll(thinkClose, ''), [thinkOpen, thinkClose]);
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
