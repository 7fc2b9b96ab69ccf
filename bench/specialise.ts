// A run of `tiefsuche specialise` done once more by transformers + peft: the same base weights in f32, the same rows in the
// same order, the same beginning of the adapters and the same settings, so that what differs is the engine alone; or with
// PEFT's own random beginning and order (--own-beginning SEED), as two people would do it. `specialiseSeeds` does the whole
// of docs/specialise.md: for each seed our run on the building code, then the peer's, and the table.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../src/engine/backends/open.ts';
import { scheduleFactor } from '../src/engine/optimizers.ts';
import { homeFolder } from '../src/home.ts';
import { packageRoot } from '../src/ledger/provenance.ts';
import type { RunTick } from '../src/ledger/events.ts';
import { listAttempts, readAttempt } from '../src/ledger/workspace.ts';
import { saveAdapter } from '../src/models/adapter-files.ts';
import { exportFolder } from '../src/models/export-folder.ts';
import { openExportSource } from '../src/models/export-source.ts';
import { stopIds } from '../src/models/language-model.ts';
import { resolveModelPath } from '../src/models/model-path.ts';
import { makeModel } from '../src/training/model-source.ts';
import { readRecipe } from '../src/training/recipe-parts.ts';
import { readMetrics } from '../src/runs/run-folder-metrics.ts';
import { type RunFolder, openRun } from '../src/runs/run-folder.ts';
import { epochOrder } from '../src/training/sft-file.ts';
import { type optimizerSchema, type scheduleSchema, scheduleOf } from '../src/training/settings.ts';
import type { Summary } from '../src/training/summary.ts';
import { recipeFolderOf } from '../src/training/train.ts';
import type { z } from 'zod';

interface SftStage { readonly steps: number; readonly batch: number; readonly data: { readonly file: string; readonly test_file: string }; readonly optimizer: z.output<typeof optimizerSchema>; readonly schedule: z.output<typeof scheduleSchema> }

interface PeerResult { readonly after: number; readonly losses: readonly number[]; readonly tokens: number; readonly train: { readonly seconds: number; readonly cpu_seconds: number }; readonly [field: string]: unknown }

export async function peerSpecialise(name: string, { python, threads, ownBeginning, before }: { python: string; threads: number; ownBeginning: string | undefined; before: boolean }): Promise<Record<string, unknown>> {
  const run = openRun(name), folder = mkdtempSync(join(tmpdir(), 'tiefsuche-peer-'));
  try {
    await writeJob(run, folder);
    const theirs = await askPeer(python, ['--job', folder, '--threads', String(threads), ...(ownBeginning === undefined ? [] : ['--own-beginning', ownBeginning]), ...(before ? ['--before'] : [])]);
    const summary = JSON.parse(readFileSync(run.summary, 'utf8')) as Summary, rows = readMetrics(run.metrics);
    const ticks = listAttempts(homeFolder()).filter((a) => a.run === run.id).flatMap((a) => readAttempt(a.path)?.ticks ?? []), sum = (of: (tick: RunTick) => number): number => Math.round(ticks.reduce((n, tick) => n + of(tick), 0));
    const apart = rows.map((row, i) => Math.abs(Number(row['loss']) - (theirs.losses[i] ?? NaN)));
    const { losses: _losses, answers: _answers, ...told } = theirs;
    return {
      run: name, ours: { before: summary.before, after: summary.after, tokens: summary.tokens.trained, seconds: sum((t) => t.seconds), cpu_seconds: sum((t) => t.cpu_seconds), cpu_seconds_training: sum((t) => (t.phase === 'train' ? t.cpu_seconds : 0)) },
      theirs: told, loss_apart: { first_step: apart[0], first_ten: Math.max(...apart.slice(0, 10)), most: Math.max(...apart) },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Ours and theirs for each seed on the building code: the runs are kept as NAME-SEED, so that a bench that was cut off goes on. */
export async function specialiseSeeds(model: string, seeds: readonly number[], { python, threads, extra }: { python: string | undefined; threads: number; extra: readonly string[] }): Promise<Record<string, unknown>> {
  const data = join(packageRoot(), 'recipes', 'data', 'building-code'), rows: { seed: number; before: number; ours: number; seconds: number; expected: number | null; theirs: number | null; apart: number | null }[] = [];
  for (const seed of seeds) {
    const name = `building-code-${seed}`, told = await output(process.execPath, ['--import', 'tsx', join(packageRoot(), 'src', 'cli', 'main.ts'), 'specialise', model, '--data', join(data, 'train.jsonl'), '--test', join(data, 'test.jsonl'), '--run', name, '--seed', String(seed), '--json', ...extra], { TIEFSUCHE_THREADS: String(threads) });
    const { before, after, seconds, expected_seconds } = JSON.parse(told.trim().split('\n').at(-1)!) as { before: number; after: number; seconds: number; expected_seconds: number | null };
    const peer = python === undefined ? null : await peerSpecialise(name, { python, threads, ownBeginning: undefined, before: false });
    rows.push({ seed, before, ours: after, seconds, expected: expected_seconds, theirs: (peer?.['theirs'] as { after: number } | undefined)?.after ?? null, apart: (peer?.['loss_apart'] as { most: number } | undefined)?.most ?? null });
    process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
  }
  const mean = (of: (row: (typeof rows)[number]) => number): number => rows.reduce((sum, row) => sum + of(row), 0) / rows.length, all = rows.every((r) => r.theirs !== null);
  return { what: 'specialise', model, threads, rows, mean_before: mean((r) => r.before), mean_ours: mean((r) => r.ours), ...(all && { mean_theirs: mean((r) => r.theirs!), difference_points: 100 * mean((r) => r.ours - r.theirs!) }) };
}

async function writeJob(run: RunFolder, folder: string): Promise<void> {
  const recipe = readRecipe(readFileSync(run.recipe, 'utf8'), { name: run.recipe }), base = recipeFolderOf(run), stage = recipe.stages[0] as unknown as SftStage;
  if (!recipe.lora || !('from' in recipe.model)) throw new Error(`${run.name} has no adapters on an open model`);
  const backend = openBackend(), language = await makeModel(backend, recipe, base, homeFolder());
  try {
    await saveAdapter(join(folder, 'adapter'), language.model, 'base');
    const { tokenizer } = language, { optimizer } = stage, rows = readFileSync(stage.data.file, 'utf8').trim().split('\n').length;
    const at = (index: number): number => epochOrder(recipe.seed, Math.floor(index / rows), rows)[index % rows]!, schedule = scheduleOf(stage.schedule);
    writeFileSync(join(folder, 'job.json'), JSON.stringify({
      train: stage.data.file, test: stage.data.test_file, stops: stopIds(language).map((id) => tokenizer.decode(Int32Array.of(id))), max_new_tokens: recipe.evaluation.max_new_tokens,
      rank: recipe.lora.rank, alpha: recipe.lora.alpha, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      lr: optimizer.lr, beta1: optimizer.beta1, beta2: optimizer.beta2, eps: optimizer.eps, weight_decay: optimizer.weight_decay, clip: optimizer.clip,
      rows: Array.from({ length: stage.steps }, (_, step) => Array.from({ length: stage.batch }, (__, i) => at(step * stage.batch + i))),
      factors: Array.from({ length: stage.steps }, (_, step) => scheduleFactor(schedule, step, stage.steps)),
    }));
  } finally {
    language.model.close();
    backend.close();
  }
  const source = openExportSource(resolveModelPath(String(recipe.model.from), base));
  mkdirSync(folder, { recursive: true });
  try { await exportFolder(source, join(folder, 'base'), 'F32'); } finally { source.close(); }
}

const askPeer = async (python: string, args: readonly string[]): Promise<PeerResult> => JSON.parse(await output(python, [fileURLToPath(new URL('peers/specialise.py', import.meta.url)), ...args])) as PeerResult;

/** What a program prints; its messages go through. */
async function output(program: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...environment } });
  let told = '';
  for await (const piece of child.stdout.setEncoding('utf8')) told += piece;
  if (told.trim() === '') throw new Error(`${program} ended without a result; see its messages above`);
  return told;
}
