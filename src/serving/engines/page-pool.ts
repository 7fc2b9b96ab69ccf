// Pages of the cache (64 positions each), counted by their users. A page that is full keeps a name made of its tokens and
// of the page before it; while nobody has overwritten it, a sequence that begins alike takes it over instead of reading
// its prompt again (a conversation's earlier turns, the other choices of a request). Freed pages are used oldest first.

interface Named { readonly key: string; readonly serial: number }

export class PagePool {
  private readonly users: Int32Array;
  private readonly named = new Map<number, Named>();
  private readonly byKey = new Map<string, number>();
  private readonly unused: Set<number>; // in the order in which they were freed
  private serials = 0;

  constructor(pages: number) {
    this.users = new Int32Array(pages);
    this.unused = new Set(this.users.keys());
  }

  get free(): number { return this.unused.size; }
  get size(): number { return this.users.length; }

  /** A page to write to; undefined when all are in use. */
  take(): number | undefined {
    const [page] = this.unused;
    if (page === undefined) return undefined;
    this.unused.delete(page);
    const name = this.named.get(page);
    if (name) { this.named.delete(page); this.byKey.delete(name.key); }
    this.users[page] = 1;
    return page;
  }

  /** The page that holds exactly these tokens behind page `before` (undefined: at the beginning). */
  find(before: number | undefined, tokens: readonly number[]): number | undefined {
    const key = this.keyOf(before, tokens);
    return key === undefined ? undefined : this.byKey.get(key);
  }

  /** One user more. */
  share(page: number): void {
    this.unused.delete(page);
    this.users[page]!++;
  }

  /** Says what a page holds, now that it is full. */
  name(page: number, before: number | undefined, tokens: readonly number[]): void {
    const key = this.keyOf(before, tokens);
    if (key === undefined || this.named.has(page) || this.byKey.has(key)) return;
    this.named.set(page, { key, serial: this.serials++ });
    this.byKey.set(key, page);
  }

  release(page: number): void {
    if (--this.users[page]! === 0) this.unused.add(page);
  }

  /** A serial is never used twice, so a key names one content for ever; behind a page without a name nothing has one. */
  private keyOf(before: number | undefined, tokens: readonly number[]): string | undefined {
    const serial = before === undefined ? '' : this.named.get(before)?.serial;
    return serial === undefined ? undefined : `${serial}:${tokens.join(' ')}`;
  }
}
