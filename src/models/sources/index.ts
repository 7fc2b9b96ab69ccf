// All sources of models, the first that knows a reference takes it. A new one is a file beside this and a line here.
import { TiefsucheError } from '../../errors.ts';
import { address } from './address.ts';
import { hub } from './hub.ts';
import { local } from './local.ts';
import { pypi } from './pypi.ts';
import type { Source } from './source.ts';

export const sources: readonly Source[] = [hub, pypi, address, local];

export function sourceOf(reference: string): Source {
  const found = sources.find((s) => s.matches(reference));
  if (found) return found;
  throw new TiefsucheError('NOT_FOUND', `there is no file or folder "${reference}"`, { hint: `A model is ${sources.map((s) => s.form).join(', ')}.` });
}
