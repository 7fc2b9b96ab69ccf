// `tiefsuche specialise MODEL --data FILE`: makes an open model one's own, on this machine: says first what it will take,
// trains, and says whether it was worth it. The same call again goes on with what was begun.
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { writeFileAtomic } from '../../durable-file.ts';
import { TiefsucheError } from '../../errors.ts';
import { freeMemory } from '../../free-memory.ts';
import { openBackend } from '../../engine/backends/open.ts';
import { homeFolder } from '../../home.ts';
import { processCpuSeconds } from '../../ledger/meters/cpu-time.ts';
import { wattsPerThread } from '../../ledger/meters/cpu-watts.ts';
import { readPrices } from '../../ledger/prices.ts';
import { packageRoot } from '../../ledger/provenance.ts';
import { openModelFiles } from '../../models/load.ts';
import { textSide } from '../../models/language-model.ts';
import { resolveModelPath } from '../../models/model-path.ts';
import { architectureOf } from '../../models/index.ts';
import { megabytes, planMemory } from '../../training/memory-plan.ts';
import type { EncodedFiles } from '../../training/method.ts';
import { readRecipe } from '../../training/recipe-parts.ts';
import { checkRunName, listRuns, openRun } from '../../runs/run-folder.ts';
import { readSamples } from '../../runs/run-samples.ts';
import { type Plan, type PreparedData, type Wishes, encodeData, longestRow, makePlan, prepareData, usualBatch, usualRate, usualWishes, writeData } from '../../training/specialise.ts';
import { comparisonOf } from '../../training/comparison.ts';
import { type Outcome, outcomeOf } from '../../training/specialise-outcome.ts';
import { type SpecialiseRequest, checkRequest, requestOf } from '../../training/specialise-request.ts';
import { type TimeEstimate, estimateTime } from '../../training/time-estimate.ts';
import { type Summary, type TrainOptions, trainNew, trainOn } from '../../training/train.ts';
import type { Command } from '../command.ts';
import { duration, energy, grouped, money } from '../figures.ts';
import { decimal, wholeNumber } from '../option-values.ts';
import { type Terminal, onInterrupt } from '../terminal.ts';
import { trainingView } from '../training-view.ts';
import { wayName } from '../plan-view.ts';
import { type PlanPlace, type WayToTrain, longestRows, waysToTrain } from '../../training/ways-to-train.ts';

export const specialise: Command = {
  name: 'specialise',
  summary: 'make an open model your own with your data',
  description: `Trains adapters (LoRA) on chat messages, prompt and completion, Alpaca, ShareGPT, question and answer, or text, from .jsonl,
.json or .parquet. Before it begins it measures what it will take; at the end it says whether the model got better, and
what it forgot. Ctrl-C saves; the same command goes on.`,
  arguments: [{ name: '<model>', text: 'run name, Hugging Face folder or GGUF file' }],
  options: [
    { flags: '--data <file>', text: 'what it should learn' },
    { flags: '--test <file>', text: 'what it is measured on; else a tenth of the data is kept back' },
    { flags: '--run <name>', text: 'name of the new model', fallback: 'specialised' },
    { flags: '--epochs <n>', text: 'how often it sees every row', fallback: usualWishes.epochs, parse: wholeNumber('--epochs', { min: 1, max: 100 }) },
    { flags: '--batch <n>', text: `rows a step; ${usualWishes.batch} by default, ${usualWishes.batch / 2} of few rows`, parse: wholeNumber('--batch', { min: 1, max: 1024 }) },
    { flags: '--lr <rate>', text: `learning rate of the adapters; ${usualWishes.lr} by default, ${2 * usualWishes.lr} of models narrower than 1,024`, parse: decimal('--lr', { min: 1e-7, max: 1 }) },
    { flags: '--rank <r>', text: 'rank of the adapters', fallback: usualWishes.rank, parse: wholeNumber('--rank', { min: 1, max: 1024 }) },
    { flags: '--full', text: 'train all weights instead of adapters' },
    { flags: '--few-bits', text: 'keep the base in the bits of its file (QLoRA); done by itself where memory is short' },
    { flags: '--recompute', text: 'compute layers twice to save memory; done by itself where it is short' },
    { flags: '--seed <n>', text: 'order of the rows, beginning of the adapters', fallback: usualWishes.seed, parse: wholeNumber('--seed') },
    { flags: '--max-hours <h>', text: 'begin nothing that takes longer', parse: decimal('--max-hours', { min: 0 }) },
    { flags: '--plan', text: 'say what it would take, train nothing' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche specialise SmolLM2-135M-Instruct.Q4_1.gguf --data train.jsonl --test test.jsonl --run building-code', text: 'learn, measure, compare' },
    { line: 'tiefsuche specialise my-model --data train.jsonl --plan', text: 'hours, memory, kWh and euro first' },
  ],
  async run({ args, options, json, terminal }) {
    const name = checkRunName(options['run'] as string), known = listRuns().find((r) => r.name === name);
    const stop = onInterrupt(), backend = openBackend(), tell = json ? () => {} : options['plan'] ? (text = '') => { terminal.print(text); } : (text = '') => { process.stderr.write(`${text}\n`); };
    const training: TrainOptions = { backend, cancel: { get cancelled() { return stop.signal.aborted; } }, onEvent: trainingView() };
    try {
      let plan: Plan, summary: Summary, expected: number | null = null;
      const request = await requested(args[0]!, options);
      if (known) {
        const run = openRun(name), file = join(run.path, planFile), finished = existsSync(run.summary);
        if (!existsSync(file)) throw new TiefsucheError('EXISTS', `the run "${name}" is there already and was not made by specialise`, { hint: 'Choose another --run NAME.' });
        const saved = JSON.parse(readFileSync(file, 'utf8')) as SavedPlan;
        plan = saved;
        if (saved.request) checkRequest(name, saved.request, request); // runs of earlier versions do not say theirs
        if (options['plan']) throw new TiefsucheError('EXISTS', `the run "${name}" has begun already`, { hint: 'Without --plan the same command goes on with it; a new one needs another --run NAME.' });
        if (!finished && saved.expected !== undefined) requireHours(saved.expected * (1 - (known.step ?? 0) / plan.steps), options['maxHours'] as number | undefined, 'Without --max-hours it goes on; Ctrl-C saves, and the same command goes on later.');
        tell(finished ? `the run "${name}" is finished: this is what it came to` : `going on with "${name}"`);
        summary = finished ? JSON.parse(readFileSync(run.summary, 'utf8')) as Summary : await trainOn(name, training);
      } else {
        const begun = await begin(args[0]!, name, request, options, training, tell, terminal, json);
        ({ plan, expected } = begun);
        if (options['plan']) { if (json) terminal.print(JSON.stringify({ run: name, metric: plan.metric, steps: plan.steps, choices: plan.choices, ...begun.cost, ways: begun.ways })); return; }
        const saved: SavedPlan = { ...plan, request, expected: begun.expected };
        summary = await trainNew(plan.recipe, name, begun.folder, { ...training, recipeName: `specialise ${name}`, begun: (run) => writeFileAtomic(join(run.path, planFile), JSON.stringify(saved)) });
      }
      const done = openRun(name), outcome = outcomeOf(done, summary, plan), comparison = comparisonOf(name, basename(request.model), readSamples(done.samples), plan.metric !== 'bits_per_byte');
      if (comparison !== null) writeFileAtomic(join(done.path, comparisonFile), comparison);
      if (json) terminal.print(JSON.stringify({ run: name, ...outcome, seconds: summary.seconds, expected_seconds: expected, joules: summary.joules }));
      else report(name, args[0]!, outcome, summary, expected, terminal);
    } finally {
      stop.release();
      backend.close();
    }
  },
};

const planFile = 'specialise.json', comparisonFile = 'comparison.md', mostMicroTokens = 2048;

interface Cost { readonly seconds: number; readonly memory_bytes: number; readonly kwh: { readonly value: number; readonly grade: 'estimated' }; readonly euro: number }

/** Of a run, in specialise.json. `expected`: seconds of the whole of it. */
type SavedPlan = Plan & { readonly request?: SpecialiseRequest; readonly expected?: number };

/** What is asked for, with its files looked up and hashed. */
async function requested(modelName: string, options: Readonly<Record<string, unknown>>): Promise<SpecialiseRequest> {
  const { data, test } = options as { data?: string; test?: string };
  if (data === undefined) throw new TiefsucheError('USAGE', 'what should it learn?', { hint: 'tiefsuche specialise MODEL --data train.jsonl [--test test.jsonl]' });
  for (const path of [data, test]) if (path !== undefined && !existsSync(path)) throw new TiefsucheError('NOT_FOUND', `there is no file ${path}`);
  return requestOf(resolveModelPath(modelName), resolve(data), test === undefined ? undefined : resolve(test), pick(options));
}

function requireHours(seconds: number, maxHours: number | undefined, hint: string): void {
  if (maxHours !== undefined && seconds > 3600 * maxHours) throw new TiefsucheError('USAGE', `this takes ${duration(seconds)}, and --max-hours allows ${duration(3600 * maxHours)}`, { hint });
}

/** Everything before the first step: data, settings, memory, time, energy, money. */
async function begin(modelName: string, name: string, { model, data, test, wishes: given }: SpecialiseRequest, options: Readonly<Record<string, unknown>>, { backend, cancel }: TrainOptions, tell: (text?: string) => void, terminal: Terminal, json: boolean): Promise<{ plan: Plan; folder: string; expected: number; cost: Cost; ways: readonly Way[] }> {
  const style = options['plan'] ? terminal.out : terminal.err, maxHours = options['maxHours'] as number | undefined, home = homeFolder(), folder = join(home, 'corpora', name);
  const prepared = await prepareData(data.path, test?.path), asked = { ...usualWishes, ...given };
  writeData(prepared, folder);
  const modelFiles = openModelFiles(model), { maxPositions } = architectureOf(modelFiles.config['model_type']).dimensions(modelFiles.config), side = textSide(modelFiles), experts = ['n_routed_experts', 'num_experts', 'num_local_experts'].some((key) => Number(modelFiles.config[key] ?? 0) > 0);
  const wishes: Wishes = { ...asked, ...(given.batch === undefined && { batch: usualBatch(prepared.train.length, asked.epochs) }), ...(given.lr === undefined && { lr: usualRate(Number(modelFiles.config['hidden_size'])) }) };
  const files: EncodedFiles = new Map(); // none is read and encoded twice
  try {
    const encoded = encodeData(side, prepared, join(packageRoot(), 'recipes', 'data', 'general', 'heldout.jsonl'));
    const resident = process.memoryUsage.rss(); // what planning itself takes is no part of the plan
    const plannedWith = async (microTokens: number, w: Wishes): Promise<{ plan: Plan; memory: Awaited<ReturnType<typeof planMemory>> }> => {
      const plan = makePlan(side, prepared, encoded, { name, model, folder, maxPositions, experts, microTokens }, w);
      return { plan, memory: await planMemory(readRecipe(plan.recipe, { name: `specialise ${name}` }), folder, home, backend.info().threads, resident, files) };
    };
    const isShort = (): boolean => best.memory.totalBytes - resident > 0.9 * freeMemory();
    const step = wishes.batch * longestRow(encoded, maxPositions); // larger passes than a step are all alike
    // Where memory is short: first what costs least time; smaller passes last.
    const fewBits = { ...wishes, fewBits: wishes.fewBits || !wishes.full }, least = { ...fewBits, recompute: true };
    let best = await plannedWith(mostMicroTokens, wishes);
    for (const ways of [fewBits, least]) if (isShort()) best = await plannedWith(mostMicroTokens, ways);
    for (let microTokens = mostMicroTokens / 2; microTokens >= 128; microTokens /= 2) if (microTokens < step && isShort()) best = await plannedWith(microTokens, least);
    const { plan, memory } = best, needed = memory.totalBytes - resident, free = freeMemory();
    const ways = options['plan'] ? await waysHere(readRecipe(plan.recipe, { name: `specialise ${name}` }), maxPositions, free, { folder, home, threads: backend.info().threads, residentBytes: resident }) : [];
    if (needed > free) {
      if (json && options['plan']) terminal.print(JSON.stringify({ run: name, metric: plan.metric, steps: plan.steps, choices: plan.choices, fits: false, memory_bytes: memory.totalBytes, ways }));
      sayWays(ways, free, tell, terminal);
      throw new TiefsucheError('MEMORY', `specialising ${modelName} takes ${megabytes(needed)}, and ${megabytes(free)} are free`, { hint: 'Shorter rows, a lower --rank or a smaller model take less; close what else is running.' });
    }
    sayData(prepared, tell);
    for (const { setting, value, why } of plan.choices) tell(`  ${setting.padEnd(14)} ${value}  ${style.dim(why)}`);
    tell(style.dim('  measuring with a few steps …'));
    const before = processCpuSeconds(), start = performance.now();
    const time = await estimateTime(backend, readRecipe(plan.recipe, { name: `specialise ${name}` }), folder, home, memory, { patience: 15, steps: 12, files, ...(cancel && { cancel }) });
    const busy = (processCpuSeconds() - before) / ((performance.now() - start) / 1000), prices = readPrices(home), { watts } = prices.watts ?? wattsPerThread(cpus()[0]?.model ?? '');
    const kwh = (busy * time.seconds * watts) / 3.6e6, cost: Cost = { seconds: time.seconds, memory_bytes: memory.totalBytes, kwh: { value: kwh, grade: 'estimated' }, euro: kwh * prices.prices.electricity_eur_per_kwh.value };
    tell(`this will take ${style.bold(duration(time.seconds))}, ${megabytes(memory.totalBytes)} of memory, about ${energy(kwh)} and ${money(cost.euro)} ${style.dim('(estimated)')}`);
    sayWays(ways, free, tell, terminal);
    if (maxHours !== undefined) requireHours(time.seconds, maxHours, smaller(time, wishes, plan, 3600 * maxHours));
    return { plan, folder, expected: time.seconds, cost, ways };
  } finally {
    modelFiles.close();
  }
}

/** A way to train with what it takes of the memory and the longest row it can take there, null where none of 128 tokens fits. */
interface Way { readonly name: WayToTrain['name']; readonly recompute: boolean; readonly memory_bytes: number; readonly fits: boolean; readonly longest_row: number | null; readonly chosen: boolean }

/** Of this data, in each of the ways; and how long rows could be. */
async function waysHere(recipe: ReturnType<typeof readRecipe>, maxPositions: number, free: number, place: PlanPlace): Promise<Way[]> {
  const longest = await longestRows(recipe, maxPositions, free + place.residentBytes, place);
  return (await waysToTrain(recipe, place)).map(({ totalBytes, ...way }, i) => ({ ...way, memory_bytes: totalBytes, fits: totalBytes - place.residentBytes <= free, longest_row: longest[i] ?? null }));
}

function sayWays(ways: readonly Way[], free: number, tell: (text?: string) => void, { out }: Terminal): void {
  if (ways.length === 0) return;
  tell(`\n${out.bold('ways to train it')}  ${out.dim(`${megabytes(free)} are free`)}`);
  for (const way of ways) {
    const longest = way.longest_row === null ? 'not even rows of 128 tokens fit' : `rows of up to ${grouped(way.longest_row)} tokens`;
    tell(`  ${wayName(way).padEnd(20)} ${megabytes(way.memory_bytes).padStart(10)}  ${way.fits ? '' : 'does not fit; '}${longest}${way.chosen ? out.bold('  this plan') : ''}`);
  }
}

const pick = (options: Readonly<Record<string, unknown>>): Partial<Wishes> => Object.fromEntries(Object.keys(usualWishes).flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));

/** What would fit the hours there are. */
function smaller({ stages, evaluations, seconds }: TimeEstimate, { epochs }: Wishes, { steps }: Plan, limit: number): string {
  const measuring = evaluations.seconds + stages.reduce((sum, s) => sum + s.besideSeconds, 0), perStep = (seconds - measuring) / steps;
  const affordable = Math.floor((limit - measuring) / perStep), fewer = Math.floor((epochs * affordable) / steps);
  if (fewer >= 1) return `With --epochs ${fewer} it takes about ${duration(measuring + (perStep * steps * fewer) / epochs)}.`;
  return affordable > 0 ? `Even one pass over the rows is too long: give about ${Math.floor((100 * affordable * epochs) / steps)} % of them.` : 'Measuring alone takes that long: give fewer test rows.';
}

function sayData({ train, test, heldBack, removed }: PreparedData, tell: (text: string) => void): void {
  tell(`${grouped(train.length)} rows to learn from, ${grouped(test.length)} to measure on${heldBack ? ', kept back from the data' : ''}`);
  if (removed.duplicates > 0) tell(`  ${grouped(removed.duplicates)} rows said the same as another and were left out`);
  if (removed.inTest > 0) tell(`  ${grouped(removed.inTest)} rows ask what the test asks and were left out`);
}

function report(name: string, model: string, outcome: Outcome, summary: Summary, expected: number | null, { print, out }: Terminal): void {
  const { metric, before, after, better, n, interval, general, advice } = outcome;
  const shown = (value: number): string => (metric === 'bits_per_byte' ? `${value.toFixed(3)} bits a byte` : `${(100 * value).toFixed(1)} %`);
  print(`\n${out.bold(`${shown(before)} → ${shown(after)}`)}  ${metric === 'bits_per_byte' ? 'lower is better' : `${metric} answers right, ${n} unseen rows${interval ? `, 95 % interval ${(100 * interval[0]).toFixed(1)} to ${(100 * interval[1]).toFixed(1)}` : ''}`}`);
  if (general) print(`general instructions: loss ${general.before.toFixed(3)} → ${general.after.toFixed(3)}  ${out.dim(general.after > 1.1 * general.before ? 'it forgot: mix general rows into the data, or train less' : 'hardly anything was forgotten')}`);
  print(`${duration(summary.seconds)}${expected === null ? '' : ` (expected ${duration(expected)})`}, ${summary.joules.value} J by ${summary.joules.method}`);
  const { path, final } = openRun(name), compared = join(path, comparisonFile);
  if (existsSync(compared)) print(`answers before and after, side by side: ${compared}`);
  const adapter = join(path, 'adapter');
  if (better) return print(`\n${out.green('better')}: \`tiefsuche chat ${name}\` talks with it; ${existsSync(adapter) ? `the adapter lies in ${adapter}, merged into the model in ${final}` : `it lies in ${final}`}`);
  print(`\n${out.yellow('not better')} than the untouched model: keep using ${model}. What to change, with another --run NAME:`);
  for (const line of advice) print(`  - ${line}`);
}
