// What an answer must look like, followed token by token: JSON from the first token of the answer on, or a function call
// from its opening on. `Rules` are what is the same for all answers to one request form, and are kept by it, as their
// masks are; `Steering` is where one answer stands.

import { TiefsucheError } from '../../errors.ts';
import type { TextSide } from '../../models/language-model.ts';
import { type Expression, Language } from '../structured/expression.ts';
import { SchemaError, objectLanguage, schemaLanguage, layout } from '../structured/json-schema.ts';
import { SortedTokens, type TokenMask, TokenMasks } from '../structured/token-masks.ts';
import { toolFormatOf } from '../tools/index.ts';
import type { ToolFormat } from '../tools/tool-format.ts';
import type { EngineRequest } from './engine.ts';
import { thinks } from '../../reasoning/thinking-models.ts';

export interface Rules {
  readonly masks: TokenMasks;
  readonly tokens: SortedTokens;
  /** How the answer begins; null: freely. */
  readonly start: Expression | null;
  readonly tools: { readonly format: ToolFormat; readonly opening: string; /** Behind the opening. */ readonly call: Expression; readonly parallel: boolean } | null;
}

const mostKept = 32;

/** Rules of one model. */
export class RuleBook {
  private readonly side: TextSide;
  private readonly vocab: number;
  private readonly ends: ReadonlySet<number>;
  private tokens: SortedTokens | null = null; // sorting takes half a second: only when first asked for
  private readonly kept = new Map<string, Rules>();

  constructor(side: TextSide, vocab: number, ends: ReadonlySet<number>) {
    this.side = side;
    this.vocab = vocab;
    this.ends = ends;
  }

  /** Null: the request asks for nothing of the kind. */
  of({ format, tools }: EngineRequest): Rules | null {
    if (format === null && tools === null) return null;
    const key = JSON.stringify([format, tools]), known = this.kept.get(key);
    if (known) return known;
    this.tokens ??= new SortedTokens(this.side.tokenizer, this.vocab, this.ends);
    const missing = this.tokens.missing('{}[]":,0123456789truefalsn');
    if (missing !== '') throw new TiefsucheError('UNSUPPORTED', `this model cannot write JSON: its vocabulary has no ${[...missing].map((c) => `"${c}"`).join(' ')}`, { hint: 'Ask it without response_format and tools.' });
    const rules = this.make(format, tools, this.tokens), [oldest] = this.kept.keys();
    if (this.kept.size >= mostKept && oldest !== undefined) this.kept.delete(oldest);
    this.kept.set(key, rules);
    return rules;
  }

  private make(format: EngineRequest['format'], tools: EngineRequest['tools'], tokens: SortedTokens): Rules {
    const l = new Language(), masks = new TokenMasks(tokens, l), { chatTemplate } = this.side, before = thinks(this.side) ? l.sequence(layout(l), layout(l)) : l.empty; // line breaks behind a thought
    const start = format === null ? null : l.sequence(before, format.type === 'json_object' ? objectLanguage(l) : schemaLanguage(l, format.schema));
    if (tools === null) return { masks, tokens, start, tools: null };
    const known = toolFormatOf(chatTemplate);
    if (!known || chatTemplate === undefined) throw new TiefsucheError('UNSUPPORTED', 'the chat template of this model defines no function calls', { hint: 'Leave tools out, or take a model that was made to call functions (Hermes, Qwen, Mistral, DeepSeek).' });
    const functions = tools.definitions.filter((t) => tools.only === null || t.function.name === tools.only).map(({ function: { name, parameters, strict } }) => ({ name, arguments: argumentsOf(l, name, parameters, strict === true) }));
    const text = (t: string): Expression => tokens.formatted(l, t), opening = known.opening(chatTemplate);
    const call = known.language(l, text, functions, { template: chatTemplate, parallel: tools.parallel });
    const calling = l.sequence(before, text(opening), call);
    // Whoever asks for JSON and offers functions gets the one or the other.
    return { masks, tokens, start: tools.required ? calling : start && l.choice(start, calling), tools: { format: known, opening, call, parallel: tools.parallel } };
  }
}

/** A schema we do not wholly understand is a promise only where `strict` asks for one; else the arguments are any object. */
function argumentsOf(l: Language, name: string, parameters: Readonly<Record<string, unknown>> | undefined, strict: boolean): Expression {
  if (parameters === undefined) return l.text('{}');
  try { return schemaLanguage(l, parameters, name); } catch (error) {
    if (error instanceof SchemaError && error.kind === 'unsupported' && !strict) return objectLanguage(l);
    throw error;
  }
}

export class Steering {
  readonly rules: Rules;
  private state: Expression | null;

  constructor(rules: Rules) {
    this.rules = rules;
    this.state = rules.start;
  }

  /** Whether it says at this moment what may come. */
  get active(): boolean { return this.state !== null; }
  /** Whether all that was to come is there, and nothing more may. */
  get complete(): boolean { return this.state?.kind === 'empty'; }

  mask(): TokenMask { return this.rules.masks.of(this.state!); }

  /** The model opened a call by itself. */
  enter(rest: string): void {
    this.state = this.rules.tools!.call;
    this.read(new TextEncoder().encode(rest));
  }

  /** The call is there: freely from here on. */
  leave(): void { this.state = null; }

  accept(id: number): void { this.read(this.rules.tokens.symbolsOf(id)); }

  /** Whether this text, the end of a token that closed the thought, may begin the answer. */
  allows(text: string): boolean {
    let state = this.state;
    for (const b of new TextEncoder().encode(text)) if (state) state = this.rules.masks.language.after(state, b);
    return state === null || state !== this.rules.masks.language.nothing;
  }

  read(symbols: ArrayLike<number>): void {
    const { language } = this.rules.masks;
    for (let i = 0; i < symbols.length && this.state; i++) this.state = language.after(this.state, symbols[i]!);
    if (this.state === language.nothing) this.state = null; // it came by a way we do not steer; the reader decides what it is
  }
}
