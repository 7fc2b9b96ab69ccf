// What this machine has, found out without trusting it: container limits count before what the hardware has, and the
// native addon is asked in a process of its own, so that a broken one cannot end the program that asks.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { addonPath } from '../engine/backends/cpu/addon-path.ts';
import { freeMemory, memoryLimit } from '../free-memory.ts';

export interface Machine {
  cpu: string;
  arch: string;
  platform: string;
  /** What the processor can do, as far as kernels use it; empty when the platform does not tell. */
  instructions: string[];
  logicalProcessors: number;
  /** Physical cores, when the platform tells. */
  cores: number | null;
  usableProcessors: number;
  /** Processor time a container may use, in processors. */
  quota: number | null;
  memoryBytes: number;
  /** What is free for a new program, within a container's limit. */
  freeBytes: number;
  node: string;
}

export interface Compiler { command: string; version: string }

export interface Addon { path: string; isa: string; isas: string[]; threads: number; fma: boolean; kernels: number }

export function machineFacts(): Machine {
  const info = cpuInfo();
  return {
    cpu: cpus()[0]?.model.trim() || 'unknown', arch: process.arch, platform: process.platform, ...info,
    logicalProcessors: cpus().length, usableProcessors: availableParallelism(), quota: containerQuota(),
    memoryBytes: memoryLimit() ?? totalmem(), freeBytes: freeMemory(), node: process.version,
  };
}

/** The first C++ compiler that answers, or null. */
export function findCompiler(): Compiler | null {
  const candidates = process.env.CXX ? [process.env.CXX] : process.platform === 'win32' ? ['clang++', 'g++', 'cl'] : ['c++', 'g++', 'clang++'];
  for (const command of candidates) {
    const result = spawnSync(command, command === 'cl' ? [] : ['--version'], { encoding: 'utf8' });
    const line = (result.stdout || result.stderr)?.split('\n')[0]?.trim();
    if (!result.error && line) return { command, version: line };
  }
  return null;
}

/** What the native addon says about itself; `null`: not built; a text: why it does not load. */
export function askAddon(path: string | null = addonPath()): Addon | string | null {
  if (path === null || !existsSync(path)) return null;
  const program = 'const m={exports:{}};process.dlopen(m,process.argv[1]);console.log(JSON.stringify({...m.exports.info(),kernels:m.exports.kernels().length}))';
  const result = spawnSync(process.execPath, ['-e', program, path], { encoding: 'utf8', timeout: 20_000 });
  if (result.status === 0) {
    try {
      return { path, ...(JSON.parse(result.stdout) as Omit<Addon, 'path'>) };
    } catch {
      return 'its answer cannot be read';
    }
  }
  if (result.signal) return `it ends the process that loads it (${result.signal})`;
  return result.stderr.split('\n').find((line) => line.includes('Error'))?.trim() ?? `loading it failed with status ${result.status}`;
}

function cpuInfo(): { instructions: string[]; cores: number | null } {
  const text = process.platform === 'linux' ? tryRead('/proc/cpuinfo') : undefined;
  if (text !== undefined) {
    const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(' '));
    const known = [['avx512f', 'AVX-512'], ['avx512_bf16', 'AVX-512 BF16'], ['avx2', 'AVX2'], ['fma', 'FMA'], ['amx_tile', 'AMX'], ['asimd', 'NEON'], ['sve', 'SVE']] as const;
    const cores = new Set(text.split('\n\n').map((block) => `${/^physical id\s*:\s*(\d+)/m.exec(block)?.[1]}.${/^core id\s*:\s*(\d+)/m.exec(block)?.[1]}`).filter((id) => !id.includes('undefined')));
    return { instructions: known.filter(([flag]) => flags.has(flag)).map(([, name]) => name), cores: cores.size || null };
  }
  if (process.platform !== 'darwin') return { instructions: [], cores: null };
  const asked = (name: string): string => spawnSync('sysctl', ['-n', name], { encoding: 'utf8' }).stdout?.trim() ?? '';
  const features = `${asked('machdep.cpu.features')} ${asked('machdep.cpu.leaf7_features')}`;
  const found = ([['AVX512F', 'AVX-512'], ['AVX2', 'AVX2'], ['FMA', 'FMA']] as const).filter(([flag]) => features.includes(flag)).map(([, name]) => name as string);
  return { instructions: process.arch === 'arm64' ? ['NEON', 'FMA'] : found, cores: Number(asked('hw.physicalcpu')) || null };
}

function containerQuota(): number | null {
  const [quota, period] = (tryRead('/sys/fs/cgroup/cpu.max') ?? '').split(' ').map(Number);
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : null;
}

function tryRead(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
