// What llama.cpp makes of a GGUF file, for a parity proof. Reads one JSON request on stdin, writes one JSON answer on stdout:
//   {"model": path, "lora": path of an adapter or null, "texts": [text, …], "ids": [[id, …], …], "prompt": [id, …], "maxNew": n, "logits": path,
//    "messages": the conversation that the last text renders, or null}
//   → {"engine": …, "vocab": V, "texts": [[id, …], …], "template": text|null, "greedy": [id, …],
//      "ends": [id, …] that end an answer, "end": the file's end token|null,
//      "framed": [id, …] of the first text with what is put around a text, "chat": [id, …] of the conversation to be answered, or null}
// The logits of all positions of `ids`, one sequence after another, go to the file `logits` as f32 (T, V).
// One thread and an f32 cache: comparable, and the same every time.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { getLlama } from 'node-llama-cpp';

const request = JSON.parse(readFileSync(0, 'utf8'));
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: 1, logLevel: 'error' });
const model = await llama.loadModel({ modelPath: request.model });
const longest = Math.max(...request.ids.map((ids) => ids.length), request.prompt.length + request.maxNew);
const context = await model.createContext({
  contextSize: longest + 8, batchSize: longest + 8, threads: 1, flashAttention: false, experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32',
  ...(request.lora ? { lora: { adapters: [{ filePath: request.lora }] } } : {}),
});
const sequence = context.getSequence();

const file = openSync(request.logits, 'w');
let vocab = 0;
for (const ids of request.ids) {
  await sequence.clearHistory();
  const results = await sequence.controlledEvaluate(ids.map((id) => [id, { generateNext: { logits: true } }]));
  for (const result of results) {
    const logits = result.next.logits;
    vocab = logits.size;
    const row = new Float32Array(vocab);
    for (const [id, value] of logits) row[id] = value;
    writeSync(file, new Uint8Array(row.buffer));
  }
}
closeSync(file);

await sequence.clearHistory();
const greedy = [];
let next = request.prompt;
while (greedy.length < request.maxNew) {
  const results = await sequence.controlledEvaluate(next.map((id, i) => (i === next.length - 1 ? [id, { generateNext: { logits: true } }] : id)));
  let id = 0, most = -Infinity;
  for (const [candidate, value] of results.at(-1).next.logits) if (value > most) { most = value; id = candidate; }
  greedy.push(id);
  if (model.isEogToken(id)) break;
  next = [id];
}
const metadata = model.fileInfo.metadata, { bos, eos, shouldPrependBosToken, shouldAppendEosToken } = model.tokens;
const texts = request.texts.map((text) => model.tokenize(text, true, 'trimLeadingSpace').map(Number));
const framed = (ids) => [...(shouldPrependBosToken ? [Number(bos)] : []), ...ids, ...(shouldAppendEosToken ? [Number(eos)] : [])];
/** As llama.cpp's server does it: what the template writes at the beginning and end is not put there again. */
const chat = (ids) => framed(ids.slice(shouldPrependBosToken && ids[0] === Number(bos) ? 1 : 0, shouldAppendEosToken && ids.at(-1) === Number(eos) ? -1 : undefined));
process.stdout.write(JSON.stringify({
  engine: `llama.cpp ${llama.llamaCppRelease?.release ?? ''} (node-llama-cpp 3.22.1)`, vocab,
  texts, template: metadata.tokenizer?.chat_template ?? null, greedy, ends: Array.from({ length: vocab }, (_, id) => id).filter((id) => model.isEogToken(id)), end: eos === null ? null : Number(eos),
  framed: framed(texts[0]), chat: request.messages ? chat(texts.at(-1)) : null,
}) + '\n');
process.exit(0);
