// Which tokens of a vocabulary may come next. The tokens lie sorted by their bytes, so that what two neighbours begin
// with alike is read once, and a beginning that is not allowed is passed over with all that share it. The mask is kept by
// the state. Added tokens are no text: they count only as symbols that a format names (`<tool_call>`); the tokens that
// end an answer are allowed where a language may end.

import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { Expression, Language, Symbol } from './expression.ts';

export interface TokenMask { readonly bits: Uint32Array; /** How many tokens it allows. */ readonly count: number }

/** Masks kept for one language: 1,024 of 151,936 tokens are 19 MB. */
const mostKept = 1024;

/** The tokens of a vocabulary, ready to be masked; made once for a model. */
export class SortedTokens {
  readonly vocab: number;
  readonly ends: ReadonlySet<number>;
  /** Bytes of the longest token. */
  readonly longest: number;
  private readonly ids: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly starts: Int32Array; // in bytes, by place in ids; one more at the end
  private readonly shared: Int32Array; // bytes in common with the token before
  private readonly tokenizer: Tokenizer;
  private readonly addedIds: ReadonlyMap<string, number>;
  private readonly added: ReadonlySet<number>;

  constructor(tokenizer: Tokenizer, vocab: number, ends: ReadonlySet<number>) {
    this.tokenizer = tokenizer;
    this.vocab = vocab;
    this.ends = ends;
    this.addedIds = new Map((tokenizer.json.added_tokens ?? []).filter((t) => t.id < vocab && t.content !== '').map((t) => [t.content, t.id]));
    this.added = new Set(this.addedIds.values());
    const tokens = Array.from({ length: Math.min(vocab, tokenizer.vocabSize) }, (_, id) => ({ id, bytes: tokenizer.bytesOf(id) }))
      .filter(({ id, bytes }) => bytes.length > 0 && !this.added.has(id) && !ends.has(id)).sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    this.ids = Int32Array.from(tokens, (t) => t.id);
    this.bytes = Buffer.concat(tokens.map((t) => t.bytes));
    this.starts = new Int32Array(tokens.length + 1);
    tokens.forEach((t, i) => { this.starts[i + 1] = this.starts[i]! + t.bytes.length; });
    this.shared = Int32Array.from(tokens, ({ bytes }, i) => {
      const before = tokens[i - 1]?.bytes ?? new Uint8Array();
      let n = 0;
      while (n < bytes.length && n < before.length && bytes[n] === before[n]) n++;
      return n;
    });
    this.longest = tokens.reduce((n, t) => Math.max(n, t.bytes.length), 1);
  }

  /** A text in which the names of added tokens are those tokens. */
  formatted(language: Language, text: string): Expression {
    const name = [...this.addedIds.keys()].filter((n) => text.includes(n)).sort((a, b) => b.length - a.length)[0];
    if (name === undefined) return language.text(text);
    const [before, ...after] = text.split(name), token = language.token(256 + this.addedIds.get(name)!);
    return language.sequence(this.formatted(language, before!), ...after.flatMap((part) => [token, this.formatted(language, part)]));
  }

  /** Which of these characters no token stands for alone. */
  missing(characters: string): string {
    const single = new Set<number>();
    for (let i = 0; i < this.ids.length; i++) if (this.starts[i + 1]! - this.starts[i]! === 1) single.add(this.bytes[this.starts[i]!]!);
    return [...new Set(characters)].filter((c) => !single.has(c.charCodeAt(0))).join('');
  }

  /** What a token is to a language. */
  symbolsOf(id: number): ArrayLike<Symbol> { return this.added.has(id) ? [256 + id] : this.tokenizer.bytesOf(id); }

  mask(language: Language, from: Expression): TokenMask {
    const { ids, bytes, starts, shared, vocab } = this, bits = new Uint32Array(Math.ceil(vocab / 32)), states: Expression[] = [from];
    let count = 0, dead = Infinity; // the byte at which the token before was refused
    const allow = (id: number): void => { bits[id >> 5]! |= 1 << (id & 31); count++; };
    for (let i = 0; i < ids.length; i++) {
      if (shared[i]! > dead) continue;
      dead = Infinity;
      for (let at = shared[i]!, start = starts[i]!, length = starts[i + 1]! - start; at < length; at++) {
        const next = language.after(states[at]!, bytes[start + at]!);
        if (next === language.nothing) { dead = at; break; }
        states[at + 1] = next;
      }
      if (dead === Infinity) allow(ids[i]!);
    }
    for (const id of this.added) if (!this.ends.has(id) && language.after(from, 256 + id) !== language.nothing) allow(id);
    if (from.nullable) for (const id of this.ends) if (id < vocab) allow(id);
    return { bits, count };
  }
}

/** Masks of one language over one vocabulary, each computed when it is first needed. */
export class TokenMasks {
  private readonly tokens: SortedTokens;
  readonly language: Language;
  private readonly kept = new Map<number, TokenMask>();

  constructor(tokens: SortedTokens, language: Language) {
    this.tokens = tokens;
    this.language = language;
  }

  of(state: Expression): TokenMask {
    const like = this.language.within(state, this.tokens.longest), known = this.kept.get(like.id);
    if (known) return known;
    const mask = this.tokens.mask(this.language, like);
    const [oldest] = this.kept.keys();
    if (this.kept.size >= mostKept && oldest !== undefined) this.kept.delete(oldest);
    this.kept.set(like.id, mask);
    return mask;
  }
}
