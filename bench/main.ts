// npm run bench -- train|generate|load|serve|serve-prompt|serve-trainer|gemm|ledger …: one JSON line on stdout with --json, a table otherwise.
// --record also appends that line to bench/results/.
// --peer PYTHON lets the peer of bench/peers take turns with us in the same run (see peers/README.md).

import { parseArgs } from 'node:util';
import { benchModels } from './models.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'llama-3m' }, threads: { type: 'string', default: '2' }, steps: { type: 'string', default: '10' },
    batch: { type: 'string', default: '1' }, lora: { type: 'string', default: '0' }, file: { type: 'string' }, engine: { type: 'string', default: 'tiefsuche' }, 'few-bits': { type: 'boolean', default: false }, recompute: { type: 'boolean', default: false }, 'micro-tokens': { type: 'string' }, json: { type: 'boolean', default: false }, record: { type: 'boolean', default: false }, profile: { type: 'boolean', default: false },
    run: { type: 'string' }, seeds: { type: 'string' }, 'own-beginning': { type: 'string' }, before: { type: 'boolean', default: false },
    peer: { type: 'string' }, format: { type: 'string' }, place: { type: 'string' }, compile: { type: 'boolean', default: false }, pairs: { type: 'string' }, rounds: { type: 'string', default: '1' },
  },
});

const usage = `npm run bench -- train --model ${Object.keys(benchModels).join('|')} [--lora RANK] [--file GGUF [--few-bits]] [--recompute] [--micro-tokens N] [--threads 2] [--steps 10] [--profile] [--peer PYTHON [--compile] [--pairs 9]] [--json]
npm run bench -- generate --model smollm2-135m --batch 1|16 [--threads 2] [--peer PYTHON] [--json]
npm run bench -- generate --model qwen3-0.6b --format Q8_0|Q4_K|… [--file GGUF] [--batch 1,16] [--threads 2] [--pairs 5] [--json]
npm run bench -- specialise --file GGUF --seeds 1,2,3 [--peer PYTHON] [--threads 2] [--json]
npm run bench -- specialise --run NAME --peer PYTHON [--threads 2] [--own-beginning SEED] [--before] [--json]
npm run bench -- serve --file GGUF|FOLDER [--engine tiefsuche|llama] [--rounds 1] [--pairs 3] [--threads 2] [--json]
npm run bench -- serve-prompt|serve-trainer --file GGUF|FOLDER [--rounds 1] [--threads 2] [--json]
npm run bench -- load --model smollm2-135m|qwen3-0.6b [--threads 2] [--peer PYTHON] [--pairs 5] [--json]
npm run bench -- gemm [--threads 1] [--peer PYTHON [--pairs 5]] [--json]
npm run bench -- ledger --model llama-3m [--threads 2] [--steps 100] [--json]
each with --record: appended to bench/results/ with machine and commit
load, generate --format: --place FOLDER keeps the models made for it`;

async function run(): Promise<Record<string, unknown>> {
  const [what] = positionals, { model } = values, threads = Number(values.threads), pairs = Number(values.pairs ?? 9), microTokens = values['micro-tokens'] === undefined ? undefined : Number(values['micro-tokens']);
  if (what === 'train' && benchModels[model]) {
    const { benchTrain } = await import('./train.ts');
    if (values.profile) return (await import('./profile.ts')).profileTrain(model, threads, Number(values.steps), Number(values.lora));
    if (values.peer) return (await import('./pairs.ts')).pairTrain(model, { threads, python: values.peer, compile: values.compile, pairs, lora: Number(values.lora), microTokens });
    return benchTrain(model, { threads, steps: Number(values.steps), lora: Number(values.lora), file: values.file, fewBits: values['few-bits'], recompute: values.recompute, microTokens });
  }
  if (what === 'generate' && benchModels[model]) {
    const { benchGenerate, pairGenerate, pairGenerateFewBits } = await import('./generate.ts');
    if (values.format) return pairGenerateFewBits(model, { threads, batches: values.batch.split(',').map(Number), pairs, format: values.format as 'Q8_0', file: values.file, place: values.place });
    if (values.peer) return pairGenerate(model, { threads, python: values.peer, batch: Number(values.batch), pairs });
    return benchGenerate(model, { threads, batch: Number(values.batch), rounds: 3 });
  }
  if (what === 'specialise' && values.file && values.seeds) return (await import('./specialise.ts')).specialiseSeeds(values.file, values.seeds.split(',').map(Number), { python: values.peer, threads, extra: positionals.slice(1) });
  if (what === 'specialise' && values.run && values.peer) return (await import('./specialise.ts')).peerSpecialise(values.run, { python: values.peer, threads, ownBeginning: values['own-beginning'], before: values.before });
  if (what === 'serve' && values.file) return (await import('./serve.ts')).benchServe(values.file, { threads, engine: values.engine, rounds: Number(values.rounds), pairs: values.pairs === undefined ? null : Number(values.pairs) });
  if (what === 'serve-prompt' && values.file) return (await import('./serve-beside.ts')).benchBesidePrompt(values.file, { threads, rounds: Number(values.rounds) });
  if (what === 'serve-trainer' && values.file) return (await import('./serve-beside.ts')).benchBesideTrainer(values.file, { threads, rounds: Number(values.rounds) });
  if (what === 'load' && benchModels[model]) return (await import('./load.ts')).benchLoad(model, { threads, python: values.peer, rounds: pairs, place: values.place });
  if (what === 'gemm') {
    const { benchGemm, pairGemm } = await import('./gemm.ts');
    return values.peer ? pairGemm({ threads, python: values.peer, pairs: Number(values.pairs ?? 5) }) : benchGemm({ threads });
  }
  if (what === 'ledger' && benchModels[model]) return (await import('./ledger.ts')).benchLedger(model, { threads, steps: Number(values.steps) });
  process.stderr.write(`${usage}\n`);
  process.exit(2);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const result = await run();
if (values.record) (await import('./record.ts')).record(positionals[0]!, result);
if (values.json) console.log(JSON.stringify(result));
else for (const [key, value] of Object.entries(result)) console.log(`${key.padEnd(24)} ${typeof value === 'object' ? JSON.stringify(value) : value}`);
process.exit(0);
