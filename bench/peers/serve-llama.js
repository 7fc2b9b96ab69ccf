// node serve-llama.js MODEL.gguf THREADS ENGINE_FOLDER: llama.cpp itself, without HTTP and with its own sampler, answers the
// questions that bench/serve.ts asks a server: so many at once, temperature 1, 64 tokens at most. Each line on stdin is
// [{"content", "seed", "tokens"}, …]; the answer is one JSON line with the moments of the tokens.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const [path, threads, folder] = process.argv.slice(2), rows = 32;
const { getLlama } = await import(pathToFileURL(createRequire(join(folder, 'package.json')).resolve('node-llama-cpp')).href);
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: Number(threads), logLevel: 'error' });
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({ contextSize: 512, sequences: rows, batchSize: 512, threads: Number(threads), flashAttention: 'auto' });
const sequences = Array.from({ length: rows }, () => context.getSequence());

async function one(sequence, { content, seed, tokens }) {
  const begun = performance.now(), at = [];
  await sequence.clearHistory();
  const prompt = model.tokenize(`<|im_start|>user\n${content}<|im_end|>\n<|im_start|>assistant\n`, true);
  for await (const _ of sequence.evaluate(prompt, { temperature: 1, topK: 0, topP: 1, minP: 0, seed })) {
    at.push(performance.now() - begun);
    if (at.length === tokens) break;
  }
  return { at, tokens: at.length };
}

console.log(JSON.stringify({ ready: true, peer: `llama.cpp ${llama.llamaCppRelease?.release ?? ''}` }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line === '') break;
  const asked = JSON.parse(line);
  console.log(JSON.stringify({ answers: await Promise.all(asked.map((question, i) => one(sequences[i], question))) }));
}
process.exit(0);
