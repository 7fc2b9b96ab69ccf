// node generate-llama.js MODEL.gguf THREADS BATCH ENGINE_FOLDER PROMPT NEW: llama.cpp decodes greedily for as many sequences at
// once, so many tokens of a prompt and so many new ones each. Its default settings but for threads and room: an f16 cache, flash attention
// where it chooses so. For every line on stdin it does that once and answers with one JSON line (protocol.py says the same).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [path, threads, batch, folder, ...sizes] = process.argv.slice(2), [promptLength, newTokens] = sizes.map(Number), rows = Number(batch);
const { getLlama } = await import(pathToFileURL(createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: Number(threads), logLevel: 'error' });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: promptLength + newTokens + 8, sequences: rows, batchSize: 512, threads: Number(threads), flashAttention: 'auto' });
const sequences = Array.from({ length: rows }, () => context.getSequence()), vocabulary = model.fileInsights.ggufFileInfo?.architectureMetadata?.vocab_size ?? 1000;

async function one(sequence, b) {
  await sequence.clearHistory();
  const prompt = Array.from({ length: promptLength }, (_, i) => (b * 131 + i * 17) % vocabulary);
  let count = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) if (++count === newTokens) break;
}

function busy() {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).map(Number);
  return (user + nice + system + irq + softirq + steal) / 100;
}

const say = (record) => console.log(JSON.stringify(record));
await Promise.all(sequences.map(one));
say({ ready: true, peer: `llama.cpp ${llama.llamaCppRelease?.release ?? ''}` });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === '') break;
  const before = busy(), cpu = process.cpuUsage(), start = performance.now();
  await Promise.all(sequences.map(one));
  const seconds = (performance.now() - start) / 1000, used = process.cpuUsage(cpu), cpuSeconds = (used.user + used.system) / 1e6;
  say({ tokens_per_s: (rows * newTokens) / seconds, seconds, cpu_seconds: cpuSeconds, other_load: Math.min(1, Math.max(0, busy() - before - cpuSeconds) / (seconds * 2)) });
}
process.exit(0);
