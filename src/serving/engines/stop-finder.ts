// Looks for stop strings in text that arrives in pieces, cut anywhere. What may still become one is held back.

import { cutOpenEnd } from '../../reasoning/thinking.ts';

export class StopFinder {
  private readonly stops: readonly string[];
  private held = '';
  found = false;

  constructor(stops: readonly string[]) { this.stops = stops; }

  /** Text that is certain to stand before any stop string. */
  push(piece: string): string {
    if (this.stops.length === 0) return piece;
    if (this.found) return '';
    const text = this.held + piece, places = this.stops.map((s) => text.indexOf(s)).filter((at) => at >= 0);
    if (places.length > 0) {
      this.found = true;
      this.held = '';
      return text.slice(0, Math.min(...places));
    }
    const [certain, held] = cutOpenEnd(text, this.stops);
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
