// What a model says of its licence: the head of its card (README.md), general.license of a GGUF file, or the text of a
// LICENSE file where it is one of the common ones. Null: it does not say, and somebody has to.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readGguf } from './formats/gguf.ts';
import { readRecord } from './record.ts';

const texts: readonly (readonly [string, RegExp])[] = [
  ['apache-2.0', /Apache License\s+Version 2\.0/], ['mit', /\bMIT License\b|Permission is hereby granted, free of charge/], ['gpl-3.0', /GNU GENERAL PUBLIC LICENSE\s+Version 3/], ['cc0-1.0', /CC0 1\.0 Universal/],
];

/** What was said when the model came here, else what it says itself. */
export const licenceOf = (path: string): string | null => readRecord(path)?.licence ?? licenceBeside(path);

/** @param path a model folder or GGUF file; a file is asked alone, as others may lie beside it */
export function licenceBeside(path: string): string | null {
  if (!statSync(path).isDirectory()) return ggufLicence(path);
  const card = readIfThere(join(path, 'README.md')), head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card ?? '')?.[1] ?? '';
  const said = /^license:[ \t]*["']?([^"'\r\n#]+?)["']?[ \t]*$/m.exec(head)?.[1], own = /^license_name:[ \t]*["']?([^"'\r\n#]+?)["']?[ \t]*$/m.exec(head)?.[1];
  if (said !== undefined) return said === 'other' && own !== undefined ? own : said;
  const text = ['LICENSE', 'LICENSE.txt', 'LICENSE.md'].map((n) => readIfThere(join(path, n))).find((t) => t !== undefined);
  return texts.find(([, pattern]) => text !== undefined && pattern.test(text))?.[0] ?? null;
}

function ggufLicence(path: string): string | null {
  const file = readGguf(path);
  try {
    const said = file.metadata.get('general.license');
    return typeof said === 'string' && said !== '' ? said : null;
  } finally {
    file.close();
  }
}

const readIfThere = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8').slice(0, 200_000) : undefined);
