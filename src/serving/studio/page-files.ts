// The page as it was built: studio/build.js leaves index.html and files whose names hold a hash of their content, so these
// may be kept by browsers for ever. All of it is small and stays in memory.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { packageRoot } from '../../ledger/provenance.ts';

const types: Readonly<Record<string, string>> = { '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.woff2': 'font/woff2', '.svg': 'image/svg+xml', '.html': 'text/html; charset=utf-8' };

export interface PageFile { readonly bytes: Uint8Array<ArrayBuffer>; readonly type: string }

/** Nothing but the page's own files: no other host, no inline script or style, no frame around it. */
export const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

let files: ReadonlyMap<string, PageFile> | null = null;

export function pageFiles(folder: string = join(packageRoot(), 'dist', 'studio')): ReadonlyMap<string, PageFile> {
  if (files) return files;
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => extname(name) in types) : [];
  const read = new Map(names.map((name) => [name, { bytes: new Uint8Array(readFileSync(join(folder, name))), type: types[extname(name)]! }]));
  if (read.has('index.html')) files = read;
  return read;
}
