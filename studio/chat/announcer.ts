// What a screen reader hears of an answer on its way: whole sentences, as they end, politely.

import { signal } from '@preact/signals';

/** Sentences since the answer began, one an element: only additions are read. */
export const announced = signal<readonly string[]>([]);

export class Announcer {
  private rest = '';

  constructor(opening: string) { announced.value = [opening]; }

  push(text: string): void {
    this.rest += text;
    const ends = [...this.rest.matchAll(/[.!?…:;](?=\s)|\n/g)], last = ends.at(-1);
    if (!last) return;
    this.say(this.rest.slice(0, last.index + 1));
    this.rest = this.rest.slice(last.index + 1);
  }

  end(closing: string): void {
    this.say(this.rest);
    this.rest = '';
    this.say(closing);
  }

  say(text: string): void {
    if (text.trim() !== '') announced.value = [...announced.value, text.trim()];
  }
}
