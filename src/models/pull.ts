// Brings a model into the models folder: what the source offers is fetched into .NAME.part beside its final name, checked
// (hashes, then everything check-files.ts knows), recorded, and renamed in one step. A killed pull leaves the part, and
// the same command goes on from it; whatever is under the final name is whole.

import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { diskError, fsyncFolder, requireFreeDisk, writeFileAtomic } from '../durable-file.ts';
import { homeFolder } from '../home.ts';
import { takeClaim } from '../ledger/claim.ts';
import { checkModelFiles } from './check-files.ts';
import { licenceBeside } from './licence.ts';
import { openModelFiles } from './load.ts';
import { modelAt, modelsFolder } from './model-path.ts';
import { type ModelRecord, readRecord, recordFile } from './record.ts';
import type { Stored } from './sources/download.ts';
import { sourceOf } from './sources/index.ts';
import { local } from './sources/local.ts';
import { usualPatience } from './sources/patient-fetch.ts';
import type { Offer, SourceOptions } from './sources/source.ts';

export interface PullOptions extends Partial<SourceOptions> {
  readonly home?: string;
  /** Folder name, if not the source's own. */
  readonly name?: string | undefined;
  /** Says what the licence is, given what the model says itself; may refuse by throwing. */
  readonly licence?: (said: string | null) => string | null | Promise<string | null>;
  /** Called when the offer is known, before anything large moves. */
  readonly onOffer?: (offer: Offer, bytes: number | null) => void;
  readonly onBytes?: (done: number) => void;
}

export interface Pulled { readonly name: string; readonly path: string; readonly record: ModelRecord; /** It was here already. */ readonly kept: boolean }

export async function pull(reference: string, options: PullOptions = {}): Promise<Pulled> {
  const { home = homeFolder(options.env), patience = usualPatience, env = process.env, sha256, licence = (said) => said, onOffer, onBytes } = options;
  const source = sourceOf(reference), offer = await source.open(reference, { patience, env, sha256 });
  try {
    const name = options.name ?? offer.name, target = join(modelsFolder(home), name);
    requireName(name);
    const known = readRecord(target), here = existsSync(target) ? modelAt(target) : null;
    if (known && here !== null && sameOffer(known, offer, target)) return { name, path: here, record: known, kept: true };
    if (existsSync(target) && known?.source !== offer.source) {
      throw new TiefsucheError('EXISTS', `there is another model "${name}" already${known ? ` (from ${known.source})` : ''}`, { hint: 'Give the new one another name with --name.' });
    }
    const sizes = offer.files.map((f) => f.bytes), bytes = sizes.every((n) => n !== null) ? sizes.reduce<number>((a, b) => a + b!, 0) : null;
    const said = source === local ? await licence(offer.licence) : null; // all is there to be read: asked before anything is copied
    onOffer?.(offer, bytes);
    return await withPart(join(modelsFolder(home), `.${name}.part`), offer, async (part) => {
      const present = readdirSync(part).reduce((sum, n) => sum + statSync(join(part, n)).size, 0);
      if (bytes !== null) requireFreeDisk(part, Math.max(0, bytes - present), `fetching ${offer.source}`);
      const files: ModelRecord['files'] = [];
      let done = 0;
      for (const file of offer.files) {
        const stored: Stored = await file.fetch(join(part, file.name), (more) => { done += more; onBytes?.(done); });
        files.push({ name: file.name, ...stored });
      }
      const model = modelAt(part);
      if (model === null) throw new TiefsucheError('FORMAT', `${offer.source} is no model: neither config.json nor a single GGUF file`, { hint: 'Name a GGUF file, or a folder with config.json and safetensors.' });
      const opened = openModelFiles(model);
      try { checkModelFiles(opened); } finally { opened.close(); }
      const record: ModelRecord = { source: offer.source, revision: offer.revision, licence: said ?? await licence(offer.licence ?? licenceBeside(model)), added: new Date().toISOString(), files };
      writeFileAtomic(join(part, recordFile), `${JSON.stringify(record, null, 2)}\n`);
      return { record, finish: () => publish(part, target) };
    }).then(({ record }) => ({ name, path: modelAt(target)!, record, kept: false }));
  } finally {
    offer.close?.();
  }
}

/** Letters that every file system takes, and nothing that leads elsewhere. */
function requireName(name: string): void {
  if (/^[A-Za-z0-9_][\w.+-]*$/.test(name) && !/\.(tmp|part)$/.test(name)) return;
  throw new TiefsucheError('USAGE', `"${name}" cannot be the name of a model`, { hint: 'Letters, digits, ".", "_", "+" and "-"; choose one with --name.' });
}

const sameOffer = (known: ModelRecord, offer: Offer, folder: string): boolean => known.source === offer.source && known.revision === offer.revision && offer.revision !== null
  && offer.files.every(({ name }) => { const file = known.files.find((f) => f.name === name); return file !== undefined && existsSync(join(folder, name)) && statSync(join(folder, name)).size === file.bytes; });

const identityFile = 'offer.json', claimPrefix = 'pull-';

/** Holds the part's folder for this process. What is left there from another version of the model goes first; what cannot be used goes at once. */
async function withPart<T extends { finish: () => void }>(part: string, offer: Offer, work: (part: string) => Promise<T>): Promise<T> {
  const claim = takeClaim(part, claimPrefix);
  if ('heldBy' in claim) throw new TiefsucheError('LOCKED', `process ${claim.heldBy.content?.process.pid} is fetching the same model`, { hint: 'Wait for it, or stop it; its part is kept.' });
  const identity = JSON.stringify([offer.source, offer.revision]), path = join(part, identityFile);
  try {
    if (!existsSync(path) || readFileSync(path, 'utf8') !== identity) {
      for (const name of readdirSync(part)) if (!name.startsWith(claimPrefix)) rmSync(join(part, name), { recursive: true, force: true });
      writeFileAtomic(path, identity);
    }
    const result = await work(part);
    for (const name of readdirSync(part)) if (name === identityFile || name.startsWith(claimPrefix)) rmSync(join(part, name), { force: true });
    result.finish();
    return result;
  } catch (error) {
    const code = (error as { code?: string }).code;
    // A broken or unknown model would be the same the next time; a cut connection or a full disk would not.
    if (code === 'FORMAT' || code === 'SHAPE' || code === 'UNSUPPORTED') rmSync(part, { recursive: true, force: true });
    else if (existsSync(part)) claim.end();
    throw diskError(error, part);
  }
}

function publish(part: string, target: string): void {
  fsyncFolder(part);
  const old = `${part.slice(0, -'.part'.length)}.old.tmp`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(part, target);
  fsyncFolder(join(target, '..'));
  rmSync(old, { recursive: true, force: true });
}
