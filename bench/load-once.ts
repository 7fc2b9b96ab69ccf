// node --import tsx bench/load-once.ts MODEL THREADS: loads a model as chat does and says what it took, in one JSON line.

import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { loadModel, openModelFiles } from '../src/models/load.ts';
import { statusMiB } from './machine.ts';

const [path, threads] = process.argv.slice(2), backend = new CpuBackend();
backend.setThreads(Number(threads));
const start_mib = statusMiB('VmRSS'), start = performance.now(), files = openModelFiles(path!);
loadModel(backend, files, { precision: 'file', absorbed: true });
files.close();
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, start_mib, peak_mib: statusMiB('VmHWM') }));
process.exit(0);
