// node load-llama.js MODEL.gguf THREADS ENGINE_FOLDER: llama.cpp loads a model (mapped, its default, and every page touched by
// its check of the tensors) and says what it took, in one JSON line.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [path, threads, folder] = process.argv.slice(2);
const field = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
const { getLlama } = await import(pathToFileURL(createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: Number(threads), logLevel: 'error' });
const start_mib = field('VmRSS'), start = performance.now();
await llama.loadModel({ modelPath: path, checkTensors: true });
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, start_mib, peak_mib: field('VmHWM') }));
process.exit(0);
