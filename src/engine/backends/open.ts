// The best backend this machine has: native kernels if they are built, else plain JavaScript.

import type { Backend } from '../backend.ts';
import { CpuBackend, nativeBuilt } from './cpu/cpu.ts';
import { ReferenceBackend } from './reference/reference.ts';

export function openBackend(): Backend {
  return nativeBuilt() && process.env['TIEFSUCHE_BACKEND'] !== 'reference' ? new CpuBackend() : new ReferenceBackend();
}
