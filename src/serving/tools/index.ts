// The formats of function calls that are known. A new one is a file beside this one and a line here.

import { deepseek } from './deepseek.ts';
import { hermes } from './hermes.ts';
import { mistral } from './mistral.ts';
import type { ToolFormat } from './tool-format.ts';

const formats: readonly ToolFormat[] = [deepseek, mistral, hermes];

/** The format a chat template writes calls in; undefined: the model was not made to call functions, as far as we know. */
export const toolFormatOf = (template: string | undefined): ToolFormat | undefined => (template === undefined ? undefined : formats.find((f) => f.fits(template)));
