// Where the native kernels lie: those built in this folder, else those of the platform package
// (@tiefsuche/native-PLATFORM-ARCH, an optional dependency that `npm run prebuild` makes), so that npm alone installs them.
// TIEFSUCHE_ADDON names others, to compare two builds.

import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const versionAt = (manifest: string): string => (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;

export const platformPackage = (): string => `@tiefsuche/native-${process.platform}-${process.arch}`;

/** Null: there is none. */
export function addonPath(): string | null {
  const own = process.env['TIEFSUCHE_ADDON'] || join(root, 'build', 'tiefsuche.node');
  if (existsSync(own)) return own;
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(`${platformPackage()}/package.json`);
  } catch {
    return null;
  }
  // What a kernel's arguments mean may change with every version; another one's would compute something else.
  const theirs = versionAt(manifest), ours = versionAt(join(root, 'package.json'));
  if (theirs === ours) return join(dirname(manifest), 'tiefsuche.node');
  warn(`${platformPackage()} is of version ${theirs}, this is ${ours}: its kernels are not used; install ${platformPackage()}@${ours}`);
  return null;
}

/** What builds them, for messages: in a checkout, or where npm installed this. */
export const buildLine: string = existsSync(join(root, 'src')) ? 'npm run build:native' : `npm --prefix ${root.slice(0, -1)} run build:native`;

let warned = false;
function warn(text: string): void {
  if (!warned) console.error(`tiefsuche: ${text}`);
  warned = true;
}
