// `tiefsuche engine`: other engines that this one is compared with. They are not dependencies: each has a folder of its own
// with a lockfile, and is installed on request.
import { existsSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { llamaFolder } from '../../evaluation/other-engines.ts';
import type { Command } from '../command.ts';

/** The package with llama.cpp's CPU binary for this platform. */
function platformPackage(): string {
  const { platform, arch } = process, names: Readonly<Record<string, string>> = { 'linux-x64': 'linux-x64', 'linux-arm64': 'linux-arm64', 'darwin-arm64': 'mac-arm64-metal', 'darwin-x64': 'mac-x64', 'win32-x64': 'win-x64', 'win32-arm64': 'win-arm64' };
  const name = names[`${platform}-${arch}`];
  if (name === undefined) throw new TiefsucheError('UNSUPPORTED', `there is no llama.cpp binary for ${platform} on ${arch}`, { hint: 'Exports are proven by our engine alone there; the proof says so.' });
  return `@node-llama-cpp/${name}`;
}

export const engine: Command = {
  name: 'engine',
  summary: 'install llama.cpp, to serve what ours cannot read and to prove exports against it',
  arguments: [{ name: '<action>', text: 'what to do', choices: ['install', 'list'] }, { name: '[engine]', text: 'which one', choices: ['llama'] }],
  reports: true,
  examples: [{ line: 'tiefsuche engine install llama', text: 'llama.cpp by node-llama-cpp: 85 MB, from the npm registry' }],
  run({ args, json, terminal }) {
    const installed = (): boolean => existsSync(join(llamaFolder, 'node_modules', 'node-llama-cpp')) && existsSync(join(llamaFolder, 'node_modules', platformPackage()));
    const { dependencies } = JSON.parse(readFileSync(join(llamaFolder, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }, version = dependencies['node-llama-cpp']!;
    if (args[0] === 'install' && !installed()) {
      // --omit=optional leaves all platforms and GPUs out; the one that is needed is named, and checked against the lockfile.
      const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm', command = ['install', '--no-save', '--omit=optional', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', `${platformPackage()}@${version}`];
      const { status, error } = spawnSync(npm, command, { cwd: llamaFolder, stdio: ['ignore', json ? 'ignore' : 2, 2], shell: process.platform === 'win32' });
      if (error || status !== 0) throw new TiefsucheError('NOT_FOUND', `npm could not install llama.cpp into ${llamaFolder}${error ? ` (${error.message})` : ''}`, { hint: 'Check the network or npm\'s registry settings, then run it again.' });
    }
    const there = installed();
    if (json) terminal.print(JSON.stringify({ engine: 'llama', version, path: llamaFolder, installed: there }));
    else terminal.print(`llama.cpp (node-llama-cpp ${version}) ${there ? `is installed in ${llamaFolder}` : 'is not installed; `tiefsuche engine install llama` does it'}`);
  },
};
