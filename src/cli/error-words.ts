// How an error is said: as text for people, as one line of JSON for programs; and an error read back from what another
// process of this program said.

import { isTiefsucheError } from '../errors.ts';
import type { Style } from './terminal.ts';

export interface ErrorWords { readonly code: string; readonly message: string; readonly hint?: string | undefined }

const isWords = (error: unknown): error is ErrorWords => isTiefsucheError(error) || (typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error);

export function errorText(error: unknown, { red, dim, bold }: Style): string {
  if (isWords(error)) return `${red(bold('error:'))} ${error.message}${error.hint === undefined ? '' : `\n${bold('hint:')} ${error.hint}`}\n${dim(`code ${error.code}`)}`;
  const { stack, message } = error instanceof Error ? error : new Error(String(error));
  const known = message.startsWith('internal error');
  return `${red(bold('error:'))} ${known ? message : `something unexpected happened: ${message}`}\n${dim(stack?.split('\n').slice(1).join('\n') ?? '')}\n${dim('code INTERNAL')}`;
}

export function errorJson(error: unknown): string {
  if (isWords(error)) return JSON.stringify({ error: { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) } });
  return JSON.stringify({ error: { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) } });
}

/** The error that `text`, without colours, ends with as `errorText` says it; null if it ends otherwise. */
export function lastError(text: string): ErrorWords | null {
  const found = /(?:^|\n)error: ((?:(?!\nerror: )[^])*?)(?:\nhint: ([^]*?))?\ncode ([A-Z_]+)\s*$/.exec(text);
  return found && { code: found[3]!, message: found[1]!, hint: found[2] };
}
