// `tiefsuche engine`: other engines that this one is compared with, or that serve what it cannot. They are not
// dependencies: each has a folder of its own with a lockfile, and is installed on request.
import { existsSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { llamaPackages } from '../../evaluation/llama-packages.ts';
import { type Gpu, chosenGpu, gpus, llamaFolder, rememberGpu } from '../../evaluation/other-engines.ts';
import type { Command } from '../command.ts';

export const engine: Command = {
  name: 'engine',
  summary: 'install llama.cpp, to serve what ours cannot read and to prove exports against it',
  arguments: [{ name: '<action>', text: 'what to do', choices: ['install', 'list'] }, { name: '[engine]', text: 'which one', choices: ['llama'] }],
  options: [{ flags: '--gpu <kind>', choices: gpus, text: 'serve on a graphics card; without it on the processor' }],
  reports: true,
  examples: [
    { line: 'tiefsuche engine install llama', text: 'llama.cpp by node-llama-cpp: 85 MB, from the npm registry' },
    { line: 'tiefsuche engine install llama --gpu vulkan', text: 'the same with what it needs for graphics cards' },
  ],
  run({ args, options, json, terminal }) {
    const { gpu: asked = null } = options as { gpu?: Gpu }, { dependencies } = JSON.parse(readFileSync(join(llamaFolder, 'package.json'), 'utf8')) as { dependencies: Record<string, string> }, version = dependencies['node-llama-cpp']!;
    const installed = (gpu: Gpu | null): boolean => ['node-llama-cpp', ...llamaPackages(gpu)].every((p) => existsSync(join(llamaFolder, 'node_modules', p)));
    if (args[0] === 'install') {
      if (!installed(asked)) {
        // --omit=optional leaves all platforms and GPUs out; those that are needed are named, and checked against the lockfile.
        const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm', command = ['install', '--no-save', '--omit=optional', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', ...llamaPackages(asked).map((p) => `${p}@${version}`)];
        const { status, error } = spawnSync(npm, command, { cwd: llamaFolder, stdio: ['ignore', json ? 'ignore' : 2, 2], shell: process.platform === 'win32' });
        if (error || status !== 0) throw new TiefsucheError('NOT_FOUND', `npm could not install llama.cpp into ${llamaFolder}${error ? ` (${error.message})` : ''}`, { hint: 'Check the network or npm\'s registry settings, then run it again.' });
      }
      rememberGpu(asked);
    }
    const gpu = chosenGpu(), there = installed(gpu);
    if (json) terminal.print(JSON.stringify({ engine: 'llama', version, path: llamaFolder, installed: there, gpu }));
    else terminal.print(`llama.cpp (node-llama-cpp ${version}) ${there ? `is installed in ${llamaFolder}, for ${gpu === null ? 'the processor' : `graphics cards by ${gpu}`}` : 'is not installed; `tiefsuche engine install llama` does it'}`);
  },
};
