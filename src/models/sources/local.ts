// A GGUF file or Hugging Face folder on this machine or a stick: copied, so that it stays when the stick goes.

import { createHash } from 'node:crypto';
import { closeSync, createReadStream, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { diskError, writeFully } from '../../durable-file.ts';
import { ggufPartPaths, withoutPart } from '../formats/gguf-parts.ts';
import { licenceBeside } from '../licence.ts';
import type { Stored } from './download.ts';
import type { OfferedFile, Source } from './source.ts';

/** What else a model folder may hold (optimiser states, other formats, pictures) stays behind. */
const taken = /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|model\.safetensors\.index)\.json$|^chat_template\.jinja$|^model(-\d+-of-\d+)?\.safetensors$|^(README\.md|NOTICE|LICEN[CS]E(\.txt|\.md)?)$/i;

export const local: Source = {
  name: 'local',
  form: 'FILE.gguf or FOLDER',
  matches: (text) => existsSync(resolve(text)),
  async open(text, { sha256 }) {
    const path = resolve(text), folder = statSync(path).isDirectory();
    if (!folder && !path.endsWith('.gguf')) throw new TiefsucheError('USAGE', `${path} is neither a GGUF file nor a model folder`, { hint: 'For safetensors name the folder that holds config.json.' });
    if (folder && !existsSync(join(path, 'config.json'))) throw new TiefsucheError('USAGE', `${path} has no config.json`, { hint: 'Name the folder that holds config.json, or a GGUF file.' });
    const names = folder ? readdirSync(path).filter((n) => taken.test(n)).sort() : ggufPartPaths(basename(path)), at = folder ? path : dirname(path);
    const missing = names.filter((n) => !existsSync(join(at, n)));
    if (missing.length > 0) throw new TiefsucheError('NOT_FOUND', `${path} is one of ${names.length} parts, and these are missing: ${missing.join(', ')}`, { hint: 'Put all parts into one folder.' });
    return {
      source: path, revision: null, name: withoutPart(basename(path)), licence: licenceBeside(path),
      files: names.map((name) => offeredFile(join(at, name), name, sha256)),
    };
  },
};

/** A file that is copied, or moved where it was made for this. */
export function offeredFile(path: string, name: string, sha256: string | undefined, move = false): OfferedFile {
  return {
    name, bytes: statSync(path).size,
    async fetch(to, onBytes) {
      const stored = await copy(path, move ? null : `${to}.part`, onBytes);
      if (sha256 !== undefined && name.endsWith('.gguf') && stored.sha256 !== sha256.toLowerCase()) {
        rmSync(`${to}.part`, { force: true });
        throw new TiefsucheError('MISMATCH', `${path} has the SHA-256 ${stored.sha256}, expected ${sha256}`, { hint: 'It is not the file you mean, or it was damaged.' });
      }
      renameSync(move ? path : `${to}.part`, to);
      return stored;
    },
  };
}

async function copy(from: string, to: string | null, onBytes: (more: number) => void): Promise<Stored> {
  const hash = createHash('sha256'), out = to === null ? null : openSync(to, 'w');
  let bytes = 0;
  try {
    for await (const piece of createReadStream(from, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      hash.update(piece);
      if (out !== null) writeFully(out, piece);
      bytes += piece.length;
      onBytes(piece.length);
    }
    if (out !== null) fsyncSync(out);
  } catch (error) {
    throw diskError(error, to ?? from);
  } finally {
    if (out !== null) closeSync(out);
  }
  return { bytes, sha256: hash.digest('hex') };
}
