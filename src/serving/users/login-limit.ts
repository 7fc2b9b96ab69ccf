// How often one may guess: 5 failures for a name from one address, 50 for an address and 100 for a name within a quarter
// of an hour; then it is told when to come again. A success forgets the failures of that name from that address. At most
// two passwords are hashed at a time (each takes 32 MiB), so that guessing cannot exhaust the machine.

import { ApiError } from '../api-error.ts';

const windowMs = 15 * 60_000, mostKept = 50_000;
const limits = [5, 50, 100] as const, mostAtOnce = 2, mostWaiting = 32;

export class LoginLimit {
  private readonly failures = new Map<string, number[]>();
  private readonly now: () => number;
  private readonly waiting: (() => void)[] = [];
  private hashing = 0;

  constructor(now: () => number = Date.now) { this.now = now; }

  /** Runs `check` unless there were too many failures; false counts as one. */
  async attempt(name: string, address: string, check: () => Promise<boolean>): Promise<boolean> {
    const keys = [`${address} ${name}`, address, ` ${name}`];
    this.refuse(keys);
    // Counted before it is checked: many at once are no way around.
    for (const key of keys) this.note(key);
    await this.turn();
    try {
      const right = await check();
      if (right) this.forget(keys);
      return right;
    } finally {
      this.hashing--;
      this.waiting.shift()?.();
    }
  }

  private refuse(keys: readonly string[]): void {
    for (const [i, key] of keys.entries()) {
      const recent = this.recent(key);
      if (recent.length < limits[i]!) continue;
      const seconds = Math.max(1, Math.ceil((recent[recent.length - limits[i]!]! + windowMs - this.now()) / 1000));
      throw new ApiError(429, 'too_many_attempts', `there were too many attempts to log in; try again in ${seconds} s`, { headers: { 'Retry-After': String(seconds) } });
    }
  }

  private recent(key: string): number[] { return (this.failures.get(key) ?? []).filter((at) => at > this.now() - windowMs); }

  private note(key: string): void {
    const recent = this.recent(key);
    this.failures.delete(key);
    this.failures.set(key, [...recent, this.now()]);
    const [oldest] = this.failures.keys();
    if (this.failures.size > mostKept && oldest !== undefined) this.failures.delete(oldest);
  }

  private forget([pair, ...others]: readonly string[]): void {
    this.failures.delete(pair!);
    for (const key of others) this.failures.get(key)?.pop();
  }

  private async turn(): Promise<void> {
    if (this.hashing >= mostAtOnce) {
      if (this.waiting.length >= mostWaiting) throw new ApiError(429, 'too_many_attempts', 'too many people log in at this moment; try again in 5 s', { headers: { 'Retry-After': '5' } });
      await new Promise<void>((resolve) => { this.waiting.push(resolve); });
    }
    this.hashing++;
  }
}
