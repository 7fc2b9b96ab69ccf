// Where tests find the real SmolLM2 file. It is 98 MB, so it is fetched, never committed. Without it a test is skipped on
// a developer's machine and fails where CI is set; both name the command that gets it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { homeFolder } from '../src/home.ts';

const path = join(homeFolder(), 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf');
const missing = `${path} is missing; get it with: node scripts/fetch-smollm2.js`;

/** For `test(name, needsSmollm2, …)`. */
export const needsSmollm2: { readonly skip: string | false } = { skip: existsSync(path) || process.env['CI'] ? false : missing };

export function smollm2Path(): string {
  if (!existsSync(path)) throw new Error(missing);
  return path;
}
