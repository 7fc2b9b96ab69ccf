// SHA-256 of a model's weights as they lie on disk. Of a checkpoint it stands beside them (where adapters are trained it is
// theirs; the hash of their base stands in the ledger); of several files it is that of their hashes in the order of their
// names.

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hashOfFile } from '../file-hash.ts';

export async function weightsHash(path: string): Promise<string> {
  if (!statSync(path).isDirectory()) return hashOfFile(path);
  const manifest = join(path, 'checkpoint.json');
  if (statSync(manifest, { throwIfNoEntry: false })) return (JSON.parse(readFileSync(manifest, 'utf8')) as { files: Record<string, { sha256: string }> }).files['weights.safetensors']!.sha256;
  const files = readdirSync(path).filter((name) => name.endsWith('.safetensors')).sort(), hashes: string[] = [];
  for (const name of files) hashes.push(await hashOfFile(join(path, name)));
  return hashes.length === 1 ? hashes[0]! : createHash('sha256').update(hashes.join('')).digest('hex');
}
