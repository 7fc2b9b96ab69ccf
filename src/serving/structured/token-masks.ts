// Which tokens of a vocabulary may come next: the vocabulary as a tree of bytes, walked once for every state of a
// language, the mask kept by the state. Added tokens are no text: they are in the tree only as symbols that a format
// names (`<tool_call>`); the tokens that end an answer are allowed where a language may end.

import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { Expression, Language, Symbol } from './expression.ts';

export interface TokenMask { readonly bits: Uint32Array; /** How many tokens it allows. */ readonly count: number }

/** Masks kept for one language: 1,024 of 151,936 tokens are 19 MB. */
const mostKept = 1024;

/** The tokens of a vocabulary as a tree; made once for a model. */
export class TokenTree {
  readonly vocab: number;
  readonly ends: ReadonlySet<number>;
  /** Bytes of the longest token. */
  readonly longest: number;
  private readonly children: Map<Symbol, number>[] = [new Map()];
  private readonly ids: number[][] = [[]];
  private readonly addedIds: ReadonlyMap<string, number>;

  constructor(tokenizer: Tokenizer, vocab: number, ends: ReadonlySet<number>) {
    this.vocab = vocab;
    this.ends = ends;
    this.addedIds = new Map((tokenizer.json.added_tokens ?? []).map((t) => [t.content, t.id]));
    const added = new Set(this.addedIds.values());
    let longest = 0;
    for (let id = 0; id < Math.min(vocab, tokenizer.vocabSize); id++) {
      if (added.has(id) || ends.has(id)) continue;
      const bytes = tokenizer.bytesOf(id);
      if (bytes.length === 0) continue;
      longest = Math.max(longest, bytes.length);
      this.put(bytes, id);
    }
    for (const id of added) if (id < vocab) this.put([256 + id], id);
    this.longest = longest;
  }

  private put(path: ArrayLike<Symbol>, id: number): void {
    let node = 0;
    for (let i = 0; i < path.length; i++) {
      let next = this.children[node]!.get(path[i]!);
      if (next === undefined) {
        next = this.children.push(new Map()) - 1;
        this.ids.push([]);
        this.children[node]!.set(path[i]!, next);
      }
      node = next;
    }
    this.ids[node]!.push(id);
  }

  /** A text in which the names of added tokens are those tokens. */
  formatted(language: Language, text: string): Expression {
    const names = [...this.addedIds.keys()].filter((n) => n !== '' && text.includes(n)).sort((a, b) => b.length - a.length);
    if (names.length === 0) return language.text(text);
    const [before, ...after] = text.split(names[0]!);
    return language.sequence(this.formatted(language, before!), ...after.flatMap((part) => [language.token(256 + this.addedIds.get(names[0]!)!), this.formatted(language, part)]));
  }

  /** Symbols of a token. */
  symbolsOf(tokenizer: Tokenizer, id: number): ArrayLike<Symbol> {
    for (const added of this.addedIds.values()) if (added === id) return [256 + id];
    return tokenizer.bytesOf(id);
  }

  mask(language: Language, from: Expression): TokenMask {
    const bits = new Uint32Array(Math.ceil(this.vocab / 32));
    let count = 0;
    const allow = (id: number): void => { bits[id >> 5]! |= 1 << (id & 31); count++; };
    if (from.nullable) for (const id of this.ends) if (id < this.vocab) allow(id);
    const nodes = [0], states = [from];
    while (nodes.length > 0) {
      const node = nodes.pop()!, state = states.pop()!;
      for (const [symbol, child] of this.children[node]!) {
        const next = language.after(state, symbol);
        if (next === language.nothing) continue;
        for (const id of this.ids[child]!) allow(id);
        nodes.push(child);
        states.push(next);
      }
    }
    return { bits, count };
  }
}

/** Masks of one language over one tree, each computed when it is first needed. */
export class TokenMasks {
  private readonly tree: TokenTree;
  readonly language: Language;
  private readonly kept = new Map<number, TokenMask>();

  constructor(tree: TokenTree, language: Language) {
    this.tree = tree;
    this.language = language;
  }

  of(state: Expression): TokenMask {
    const like = this.language.within(state, this.tree.longest), known = this.kept.get(like.id);
    if (known) return known;
    const mask = this.tree.mask(this.language, like);
    const [oldest] = this.kept.keys();
    if (this.kept.size >= mostKept && oldest !== undefined) this.kept.delete(oldest);
    this.kept.set(like.id, mask);
    return mask;
  }
}
