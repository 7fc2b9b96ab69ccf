// `tiefsuche train --plan`: what a run would take here, in memory and time, without running it.
import { readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { openBackend } from '../engine/backends/open.ts';
import { homeFolder } from '../home.ts';
import { freeMemory } from '../free-memory.ts';
import { type MemoryPlan, megabytes, planMemory } from '../training/memory-plan.ts';
import { readRecipe } from '../training/recipe-parts.ts';
import { openRun } from '../runs/run-folder.ts';
import { type TimeEstimate, estimateTime } from '../training/time-estimate.ts';
import { recipeFolderOf } from '../training/train.ts';
import { type WayToTrain, waysToTrain } from '../training/ways-to-train.ts';
import { duration } from './figures.ts';
import { readRecipeFile } from './run-training.ts';
import type { Terminal } from './terminal.ts';

/** @param recipe path of a recipe; absent: that of the run */
export async function printPlan(recipe: string | undefined, run: string, overrides: readonly string[], json: boolean, terminal: Terminal): Promise<number> {
  const path = recipe === undefined ? openRun(run).recipe : resolve(recipe);
  const folder = recipe === undefined ? recipeFolderOf(openRun(run)) : dirname(path);
  const read = readRecipe(recipe === undefined ? readFileSync(path, 'utf8') : readRecipeFile(path), { name: basename(path), overrides });
  const backend = openBackend(), home = homeFolder();
  try {
    const resident = process.memoryUsage.rss(), free = freeMemory();
    const plan = await planMemory(read, folder, home, backend.info().threads, resident), fits = plan.totalBytes - resident <= free;
    const time = fits ? await estimateTime(backend, read, folder, home, plan) : null;
    const ways = await waysToTrain(read, { folder, home, threads: backend.info().threads, residentBytes: resident });
    if (json) terminal.print(JSON.stringify({ fits, free_bytes: free, total_bytes: plan.totalBytes, rows: plan.rows, phases: plan.phases, ways: ways.map(({ totalBytes, ...way }) => ({ ...way, total_bytes: totalBytes, fits: totalBytes - resident <= free })), time }));
    else print(plan, ways, time, free + resident, terminal);
    return fits ? 0 : 3;
  } finally {
    backend.close();
  }
}

/** What a way is called, in tables. */
export const wayName = ({ name, recompute }: Pick<WayToTrain, 'name' | 'recompute'>): string => (recompute ? `${name}, recomputing` : name);

function print({ rows, phases, totalBytes }: MemoryPlan, ways: readonly WayToTrain[], time: TimeEstimate | null, free: number, terminal: Terminal): void {
  const { out } = terminal, width = Math.max(...[...rows, ...phases].map((r) => r.name.length + 2), ...ways.map((w) => wayName(w).length + 2));
  const line = (name: string, bytes: number, note = ''): void => terminal.print(`${name.padEnd(width)}${megabytes(bytes).padStart(10)}  ${out.dim(note)}`.trimEnd());
  terminal.print(out.bold('memory'));
  for (const { name, bytes, note } of rows) {
    line(name, bytes, note);
    if (name === 'arena') for (const phase of phases) line(`  ${phase.name}`, phase.bytes, phase.note);
  }
  line(out.bold('in all'.padEnd(width)), totalBytes, `${megabytes(free)} are there`);
  terminal.print();
  terminal.print(out.bold('ways to train it'));
  for (const way of ways) line(wayName(way), way.totalBytes, way.totalBytes > free ? 'does not fit' : way.chosen ? 'this recipe' : 'fits');
  if (!time) return terminal.print(out.red('This run does not fit here. Take a way that does (`recompute: true`, `lora: {base: file}`), or lower micro_tokens, the samples or the model.'));
  terminal.print();
  terminal.print(out.bold('time on this machine'));
  for (const { method, steps, secondsPerStep, seconds } of time.stages) terminal.print(`${method.padEnd(width)}${duration(seconds).padStart(10)}  ${out.dim(`${steps} steps of ${secondsPerStep.toPrecision(2)} s`)}`);
  if (time.evaluations.count > 0) terminal.print(`${'evaluation'.padEnd(width)}${duration(time.evaluations.seconds).padStart(10)}  ${out.dim(`${time.evaluations.count} answers`)}`);
  terminal.print(`${out.bold('in all'.padEnd(width))}${duration(time.seconds).padStart(10)}  ${out.dim('by two steps of each; answers become shorter as a model learns')}`);
}
