// The packages with llama.cpp's binaries for a platform, by node-llama-cpp's names: the processor's always, as proofs are
// made on it, and those of a graphics card where one is asked for.

import { TiefsucheError } from '../errors.ts';
import type { Gpu } from './other-engines.ts';

const names: Readonly<Record<string, string>> = { 'linux-x64': 'linux-x64', 'linux-arm64': 'linux-arm64', 'darwin-arm64': 'mac-arm64-metal', 'darwin-x64': 'mac-x64', 'win32-x64': 'win-x64', 'win32-arm64': 'win-arm64' };

export function llamaPackages(gpu: Gpu | null, { platform, arch }: Pick<NodeJS.Process, 'platform' | 'arch'> = process): string[] {
  const name = names[`${platform}-${arch}`];
  if (name === undefined) throw new TiefsucheError('UNSUPPORTED', `there is no llama.cpp binary for ${platform} on ${arch}`, { hint: 'Exports are proven by our engine alone there; the proof says so.' });
  if (gpu !== null && (arch !== 'x64' || platform === 'darwin')) throw new TiefsucheError('UNSUPPORTED', `there is no llama.cpp binary with ${gpu} for ${platform} on ${arch}`, { hint: 'There are some for Linux and Windows on x64. Leave --gpu out for the processor.' });
  // CUDA's comes in two parts.
  const card = gpu === null ? [] : gpu === 'cuda' ? [`${name}-cuda`, `${name}-cuda-ext`] : [`${name}-${gpu}`];
  return [name, ...card].map((p) => `@node-llama-cpp/${p}`);
}
