// Finds function calls in an answer that comes in pieces, cut anywhere. What may still become an opening is held back;
// from an opening on everything is kept until the caller says that the call is there, or that no more comes.

import { cutOpenEnd } from '../../reasoning/thinking.ts';

export class CallFinder {
  private readonly opening: string;
  private held = '';
  /** What stands behind the opening; null: no call is under way. */
  inside: string | null = null;

  constructor(opening: string) { this.opening = opening; }

  /** Text that is certain to be outside of calls. */
  push(piece: string): string {
    if (this.inside !== null) {
      this.inside += piece;
      return '';
    }
    const text = this.held + piece, at = text.indexOf(this.opening);
    if (at >= 0) {
      this.held = '';
      this.inside = text.slice(at + this.opening.length);
      return text.slice(0, at);
    }
    const [certain, held] = cutOpenEnd(text, [this.opening]);
    this.held = held;
    return certain;
  }

  /** The call is over; what stood in it. */
  close(): string {
    const inside = this.inside ?? '';
    this.inside = null;
    return inside;
  }

  /** All that was kept, when no more text comes: a call that was not finished is text. */
  end(): string {
    const rest = this.inside === null ? this.held : this.opening + this.inside;
    this.held = '';
    this.inside = null;
    return rest;
  }
}
