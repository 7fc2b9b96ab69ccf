// What a model says of its licence: the head of its card (README.md), general.license of a GGUF file, or the text of a
// LICENSE file where it is one of the common ones. Null: it does not say, and somebody has to. And what of it goes along with
// what is made of the model: its texts, and a card that names the licence where they do not.

import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readGguf } from './formats/gguf.ts';
import { readRecord } from './record.ts';

const known: readonly (readonly [string, RegExp])[] = [
  ['apache-2.0', /Apache License\s+Version 2\.0/], ['mit', /\bMIT License\b|Permission is hereby granted, free of charge/], ['gpl-3.0', /GNU GENERAL PUBLIC LICENSE\s+Version 3/], ['cc0-1.0', /CC0 1\.0 Universal/],
];

const cardName = 'README.md', licenceName = /^LICEN[CS]E(\.txt|\.md)?$/i, textName = /^(LICEN[CS]E|NOTICE)(\.txt|\.md)?$/i;
type Texts = Readonly<Record<string, string>>;

/** What was said when the model came here, else what it says itself. */
export const licenceOf = (path: string): string | null => readRecord(path)?.licence ?? licenceBeside(path);

/** @param path a model folder or GGUF file; a file is asked alone, as others may lie beside it */
export const licenceBeside = (path: string): string | null => (statSync(path).isDirectory() ? saidBy({ ...licenceTexts(path), ...cardOf(path) }) : ggufLicence(path));

/** Texts of the licence that lie in a model's folder; beside a file only where the folder's record says that they came with it. */
export function licenceTexts(path: string): Texts {
  const folder = folderOf(path);
  return folder === null ? {} : Object.fromEntries(readdirSync(folder).filter((n) => textName.test(n)).sort().map((n) => [n, read(join(folder, n))]));
}

/** What goes along with a model that is written as a folder: the texts, its card, and in the card the licence where neither says it. */
export const licenceFiles = (path: string): Texts => naming(licenceOf(path), { ...licenceTexts(path), ...cardOf(path) });

/** The same for a model that grew from another: a card of its own, which says from which; a path on this machine is nobody else's business. */
export function derivedFiles(path: string): Texts {
  const source = readRecord(path)?.source ?? '', last = basename(path) === 'final' ? basename(dirname(path)) : basename(path);
  return naming(licenceOf(path), { ...licenceTexts(path), [cardName]: `\nMade with tiefsuche from ${/^(hf|pypi|https?):/.test(source) ? source : last}.\n` });
}

/** The files with a line of the licence in the head of the card, where they do not say it. */
function naming(licence: string | null, files: Texts): Texts {
  if (licence === null || saidBy(files) === licence) return files;
  const card = files[cardName] ?? '', head = /^---\r?\n([\s\S]*?)\r?\n---\r?\n?/.exec(card), others = head === null ? [] : head[1]!.split(/\r?\n/).filter((line) => !/^license(_name)?:/.test(line));
  return { ...files, [cardName]: `${['---', `license: ${licence}`, ...others, '---'].join('\n')}\n${card.slice(head?.[0].length ?? 0)}` };
}

/** The folder whose texts are the model's own. */
function folderOf(path: string): string | null {
  if (!existsSync(path)) return null;
  return statSync(path).isDirectory() ? path : readRecord(path) === null ? null : dirname(path);
}

function cardOf(path: string): Texts {
  const folder = folderOf(path), file = folder === null ? null : join(folder, cardName);
  return file !== null && existsSync(file) ? { [cardName]: read(file) } : {};
}

function saidBy(texts: Texts): string | null {
  const head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(texts[cardName] ?? '')?.[1] ?? '';
  const said = /^license:[ \t]*["']?([^"'\r\n#]+?)["']?[ \t]*$/m.exec(head)?.[1], own = /^license_name:[ \t]*["']?([^"'\r\n#]+?)["']?[ \t]*$/m.exec(head)?.[1];
  if (said !== undefined) return said === 'other' && own !== undefined ? own : said;
  const text = Object.entries(texts).find(([n]) => licenceName.test(n))?.[1];
  return known.find(([, pattern]) => text !== undefined && pattern.test(text))?.[0] ?? null;
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

const read = (path: string): string => readFileSync(path, 'utf8').slice(0, 2_000_000);
