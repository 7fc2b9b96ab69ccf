// How a family of models writes that it calls a function: what the call begins with, which texts may follow (so that
// arguments always parse and satisfy their schema), and how to read it. One file per family, one line in index.ts.

import type { Expression, Language } from '../structured/expression.ts';

export interface ToolDefinition {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly description?: string | undefined; readonly parameters?: Readonly<Record<string, unknown>> | undefined; readonly strict?: boolean | null | undefined };
}

export interface FunctionCall {
  readonly name: string;
  /** JSON text of an object. */
  readonly arguments: string;
}

/** A function that may be called, and the language of its arguments. */
export interface Callable { readonly name: string; readonly arguments: Expression }

export interface ToolFormat {
  readonly name: string;
  /** Whether this chat template writes calls so. */
  fits(template: string): boolean;
  /** With what a call, or a list of calls, begins. */
  opening(template: string): string;
  /** What stands behind the opening, to its end; the end must be certain, so that it is known when it is there. */
  language(l: Language, text: (text: string) => Expression, functions: readonly Callable[], options: { readonly template: string; readonly parallel: boolean }): Expression;
  /** The calls of a text behind the opening; null where it is none. */
  read(text: string): FunctionCall[] | null;
  /** What a template that does not list functions itself needs to be told, at the end of its system message. */
  describe?(tools: readonly ToolDefinition[]): string;
}

/** {"name": …, "arguments": …} as most families write it. */
export const namedCall = (l: Language, functions: readonly Callable[]): Expression =>
  l.choice(...functions.map((f) => l.sequence(l.text(`{"name": ${JSON.stringify(f.name)}, "arguments": `), f.arguments, l.text('}'))));

export function readNamedCall(value: unknown): FunctionCall | null {
  const { name, arguments: given, parameters } = (value ?? {}) as Record<string, unknown>, said = given ?? parameters ?? {};
  if (typeof name !== 'string') return null;
  return { name, arguments: typeof said === 'string' ? said : JSON.stringify(said) };
}
