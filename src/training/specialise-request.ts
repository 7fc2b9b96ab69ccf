// What a run of `tiefsuche specialise` was asked for. It lies in the run, so that the same call goes on with it or tells of
// it, and a different one is refused: a result is never shown for a question that was not asked.

import { TiefsucheError } from '../errors.ts';
import { hashOfFile } from '../file-hash.ts';
import type { Wishes } from './specialise.ts';

interface DataFile { readonly path: string; readonly sha256: string }

export interface SpecialiseRequest {
  /** Full path. */
  readonly model: string;
  readonly data: DataFile;
  /** Null: a part of the data was kept back. */
  readonly test: DataFile | null;
  /** As they were given; what was left to the tool is not there. */
  readonly wishes: Readonly<Partial<Wishes>>;
}

/** Hashes the files. @param data and `test`: full paths of files that are there */
export async function requestOf(model: string, data: string, test: string | undefined, wishes: Partial<Wishes>): Promise<SpecialiseRequest> {
  const file = async (path: string): Promise<DataFile> => ({ path, sha256: await hashOfFile(path) });
  return { model, data: await file(data), test: test === undefined ? null : await file(test), wishes };
}

const flagOf: Readonly<Record<keyof Wishes, string>> = { epochs: '--epochs', batch: '--batch', lr: '--lr', rank: '--rank', full: '--full', fewBits: '--few-bits', recompute: '--recompute', seed: '--seed' };
const flags = Object.entries(flagOf) as [keyof Wishes, string][];

/** Refuses a request that is not the one the run `name` was begun with, and says what differs. Files may lie elsewhere: their bytes count. */
export function checkRequest(name: string, begun: SpecialiseRequest, now: SpecialiseRequest): void {
  const fileNamed = (file: DataFile | null): string => (file === null ? 'none' : `${file.path} (sha256 ${file.sha256.slice(0, 16)}…)`);
  const valueNamed = (value: number | boolean | undefined): string => (value === undefined || value === false ? 'not given' : value === true ? 'given' : String(value));
  const differences = [
    ...(begun.model === now.model ? [] : [`the model was ${begun.model}, now ${now.model}`]),
    ...(['data', 'test'] as const).flatMap((key) => (begun[key]?.sha256 === now[key]?.sha256 ? [] : [`--${key} was ${fileNamed(begun[key])}, now ${fileNamed(now[key])}`])),
    ...flags.flatMap(([key, flag]) => { const [was, is] = [begun.wishes[key], now.wishes[key]].map(valueNamed); return was === is ? [] : [`${flag} was ${was}, now ${is}`]; }),
  ];
  if (differences.length === 0) return;
  throw new TiefsucheError('EXISTS', `the run "${name}" was begun with another request: ${differences.join('; ')}`, { hint: `Choose another --run NAME for this one; to go on with "${name}": ${commandOf(name, begun)}` });
}

function commandOf(name: string, { model, data, test, wishes }: SpecialiseRequest): string {
  const given = flags.flatMap(([key, flag]) => { const value = wishes[key]; return value === undefined || value === false ? [] : [value === true ? flag : `${flag} ${value}`]; });
  return ['tiefsuche specialise', model, '--data', data.path, ...(test ? ['--test', test.path] : []), ...given, '--run', name].join(' ');
}
