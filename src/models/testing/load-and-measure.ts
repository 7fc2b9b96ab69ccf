// node --import tsx load-and-measure.ts MODEL PRECISION: loads a model as chat does and prints, in MiB, the memory of the process before
// it and the highest it had, as a JSON list. Linux only.

import { readFileSync } from 'node:fs';
import { CpuBackend } from '../../engine/backends/cpu/cpu.ts';
import type { Precision } from '../compressed.ts';
import { loadModel, openModelFiles } from '../load.ts';

const [path, precision] = process.argv.slice(2), backend = new CpuBackend();
const memory = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
backend.setThreads(2);
const start = memory('VmRSS'), files = openModelFiles(path!);
loadModel(backend, files, { precision: precision as Precision });
files.close();
console.log(JSON.stringify([start, memory('VmHWM')]));
process.exit(0);
