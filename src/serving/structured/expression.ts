// Languages of bytes (and of whole tokens that are no text) as expressions, read one symbol at a time by Brzozowski's
// derivatives: d(s, e) is what may follow once s was read. Equal expressions are one object with one number, so
// derivatives are the states of an automaton that is built only where it is walked. Named rules make it recursive: a
// stack is then nothing but a sequence. (J. A. Brzozowski, Derivatives of Regular Expressions, 1964; Owens et al., 2009.)

/** 0–255: a byte. 256 + n: added token n of a format (`<tool_call>`). */
export type Symbol = number;

export type Expression = { readonly id: number; readonly nullable: boolean } & (
  | { readonly kind: 'nothing' | 'empty' }
  /** One of 256 bytes, as 8 words of bits. */
  | { readonly kind: 'bytes'; readonly bits: Uint32Array }
  | { readonly kind: 'token'; readonly symbol: Symbol }
  | { readonly kind: 'sequence'; readonly first: Expression; readonly rest: Expression }
  | { readonly kind: 'choice'; readonly of: readonly Expression[] }
  | { readonly kind: 'repeat'; readonly of: Expression; readonly least: number; readonly most: number }
  | { readonly kind: 'rule'; readonly name: string });

/** Two derivatives that meet are one expression only within one language. */
export class Language {
  readonly nothing: Expression;
  readonly empty: Expression;
  private readonly known = new Map<string, Expression>();
  private readonly rules = new Map<string, { body: Expression | null; nullable: boolean }>();
  private readonly steps: (Expression | undefined)[][] = []; // by expression and byte
  private readonly tokenSteps = new Map<string, Expression>();
  private readonly single: Expression[] = []; // by byte
  private count = 0;

  constructor() {
    this.nothing = this.make('nothing', { kind: 'nothing', nullable: false });
    this.empty = this.make('empty', { kind: 'empty', nullable: true });
  }

  private make(key: string, parts: Omit<Extract<Expression, { kind: Expression['kind'] }>, 'id'> & Record<string, unknown>): Expression {
    let found = this.known.get(key);
    if (!found) this.known.set(key, found = { ...parts, id: this.count++ } as unknown as Expression);
    return found;
  }

  /** How many expressions there are: a bound on what a schema may cost. */
  get size(): number { return this.count; }
  /** Bytes of all lists of texts so far: reading them takes about a microsecond each, also where they are alike and cost no expressions. */
  listed = 0;

  bytes(...ranges: readonly (readonly [from: number, to: number])[]): Expression {
    const bits = new Uint32Array(8);
    for (const [from, to] of ranges) for (let b = from; b <= to; b++) bits[b >> 5]! |= 1 << (b & 31);
    return this.make(`b${bits.join()}`, { kind: 'bytes', nullable: false, bits });
  }

  token(symbol: Symbol): Expression { return this.make(`t${symbol}`, { kind: 'token', nullable: false, symbol }); }

  text(text: string): Expression { return this.spelled(new TextEncoder().encode(text), 0); }

  /** These bytes from one place on. */
  private spelled(bytes: Uint8Array, from: number): Expression {
    let behind = this.empty;
    for (let i = bytes.length - 1; i >= from; i--) behind = this.pair(this.byte(bytes[i]!), behind);
    return behind;
  }

  private byte(b: number): Expression { return this.single[b] ??= this.bytes([b, b]); }

  /** Any of the texts; what they begin with alike is walked once. */
  texts(texts: readonly string[]): Expression {
    const bytes = texts.map((t) => new TextEncoder().encode(t));
    this.listed += bytes.reduce((n, t) => n + t.length, 0);
    return this.anyOf(bytes, 0);
  }

  private anyOf(texts: readonly Uint8Array[], at: number): Expression {
    if (texts.length === 1) return this.spelled(texts[0]!, at);
    const by = new Map<number, Uint8Array[]>();
    for (const t of texts) {
      if (t.length === at) continue;
      const group = by.get(t[at]!);
      if (group) group.push(t);
      else by.set(t[at]!, [t]);
    }
    return this.choice(...(texts.some((t) => t.length === at) ? [this.empty] : []), ...[...by].map(([b, group]) => this.pair(this.byte(b), this.anyOf(group, at + 1))));
  }

  sequence(...parts: readonly Expression[]): Expression { return parts.reduceRight((rest, first) => this.pair(first, rest), this.empty); }

  private pair(first: Expression, rest: Expression): Expression {
    if (first.kind === 'nothing' || rest.kind === 'nothing') return this.nothing;
    if (first.kind === 'empty') return rest;
    if (rest.kind === 'empty') return first;
    const parts: Expression[] = []; // a loop: texts are long, stacks are not
    for (let e = first; ; e = e.rest) {
      if (e.kind !== 'sequence') { parts.push(e); break; }
      parts.push(e.first);
    }
    return parts.reduceRight((behind, part) => this.make(`s${part.id},${behind.id}`, { kind: 'sequence', nullable: part.nullable && behind.nullable, first: part, rest: behind }), rest);
  }

  choice(...parts: readonly Expression[]): Expression {
    const flat = new Map<number, Expression>();
    for (const part of parts) for (const e of part.kind === 'choice' ? part.of : [part]) if (e.kind !== 'nothing') flat.set(e.id, e);
    const of = [...flat.values()].sort((a, b) => a.id - b.id);
    if (of.length < 2) return of[0] ?? this.nothing;
    return this.make(`c${of.map((e) => e.id).join()}`, { kind: 'choice', nullable: of.some((e) => e.nullable), of });
  }

  optional(e: Expression): Expression { return this.choice(this.empty, e); }

  repeat(e: Expression, least: number, most: number): Expression {
    if (most < least) return this.nothing;
    if (most === 0 || e.kind === 'empty') return this.empty;
    if (e.kind === 'nothing') return least === 0 ? this.empty : this.nothing;
    if (least === 1 && most === 1) return e;
    return this.make(`r${e.id},${least},${most}`, { kind: 'repeat', nullable: least === 0 || e.nullable, of: e, least, most });
  }

  /** A rule that may be used before it is defined; no rule of ours can be empty. */
  rule(name: string): Expression {
    if (!this.rules.has(name)) this.rules.set(name, { body: null, nullable: false });
    return this.make(`n${name}`, { kind: 'rule', nullable: false, name });
  }

  defined(name: string): boolean { return (this.rules.get(name)?.body ?? null) !== null; }

  define(name: string, body: Expression): void { this.rules.set(name, { body, nullable: body.nullable }); }

  private body(name: string): Expression { return this.rules.get(name)?.body ?? this.nothing; }

  /** What may follow `symbol`; the expression `nothing` where it may not stand. */
  after(e: Expression, symbol: Symbol): Expression {
    if (symbol >= 256) return this.afterToken(e, symbol);
    const steps = this.steps[e.id] ??= new Array<Expression | undefined>(256), known = steps[symbol];
    if (known) return known;
    steps[symbol] = this.nothing; // a rule that begins with itself adds nothing
    return steps[symbol] = this.derive(e, symbol);
  }

  private afterToken(e: Expression, symbol: Symbol): Expression {
    const key = `${e.id},${symbol}`, known = this.tokenSteps.get(key);
    if (known) return known;
    this.tokenSteps.set(key, this.nothing);
    const next = this.derive(e, symbol);
    if (next === this.nothing) this.tokenSteps.delete(key); // most are: only what leads somewhere is kept
    else this.tokenSteps.set(key, next);
    return next;
  }

  private derive(e: Expression, s: Symbol): Expression {
    switch (e.kind) {
      case 'nothing': case 'empty': return this.nothing;
      case 'bytes': return s < 256 && ((e.bits[s >> 5]! >>> (s & 31)) & 1) === 1 ? this.empty : this.nothing;
      case 'token': return s === e.symbol ? this.empty : this.nothing;
      case 'rule': return this.after(this.body(e.name), s);
      case 'choice': return this.choice(...e.of.map((part) => this.after(part, s)));
      case 'repeat': return this.pair(this.after(e.of, s), this.repeat(e.of, Math.max(0, e.least - 1), e.most - 1));
      case 'sequence': {
        const within = this.pair(this.after(e.first, s), e.rest);
        return e.first.nullable ? this.choice(within, this.after(e.rest, s)) : within;
      }
    }
  }

  /** Whether anything at all is in it: a rule that needs itself has no end. */
  possible(e: Expression): boolean {
    const ends = new Set<string>();
    let seen = new Map<number, boolean>(); // parts are shared: each is looked at once
    const can = (x: Expression): boolean => {
      const known = seen.get(x.id);
      if (known !== undefined) return known;
      let last = x, whole = true;
      for (; last.kind === 'sequence' && whole; last = last.rest) whole = can(last.first);
      const is = whole && (last !== x ? can(last) : x.kind === 'rule' ? ends.has(x.name) : x.kind === 'choice' ? x.of.some(can) : x.kind === 'repeat' ? x.least === 0 || can(x.of) : x.kind !== 'nothing');
      seen.set(x.id, is);
      return is;
    };
    for (let before = -1; before < ends.size;) {
      before = ends.size;
      for (const [name, { body }] of this.rules) if (body && can(body)) ends.add(name);
      seen = new Map();
    }
    return can(e);
  }

  /**
   * The same to whoever reads at most `reach` symbols: counters that he cannot exhaust are made equal. So the hundredth
   * character of a long text is no new state to a mask.
   */
  within(e: Expression, reach: number): Expression {
    switch (e.kind) {
      case 'choice': return this.choice(...e.of.map((part) => this.within(part, reach)));
      case 'sequence': return this.pair(this.within(e.first, reach), e.rest);
      case 'repeat': return this.repeat(e.of, Math.min(e.least, reach + 1), e.most > reach ? Infinity : e.most);
      default: return e;
    }
  }
}
