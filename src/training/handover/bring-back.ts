// What a cluster made of a run that was handed over, as a run of this house: its model (adapters merged), its metrics, and
// its time and energy in the ledger, graded as what they are: said by others. It grew from the run that was handed over.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../durable-file.ts';
import { TiefsucheError } from '../../errors.ts';
import { readPrices } from '../../ledger/prices.ts';
import { codeFacts } from '../../ledger/provenance.ts';
import { beginAttempt, listAttempts } from '../../ledger/workspace.ts';
import type { EnergyReading } from '../../ledger/events.ts';
import { exportFolder } from '../../models/export-folder.ts';
import { openExportSource } from '../../models/export-source.ts';
import { architectureOf } from '../../models/index.ts';
import { licenceFiles } from '../../models/licence.ts';
import { hashFolder } from '../../runs/run-folder-checkpoints.ts';
import { MetricsFile, type MetricsRow } from '../../runs/run-folder-metrics.ts';
import { type RunFolder, createRun, openRun } from '../../runs/run-folder.ts';
import { lockRun } from '../../runs/run-lock.ts';
import { logCheckpoint } from '../checkpoint-log.ts';
import { summaryOf } from '../summary.ts';
import { handedSchema } from './handover.ts';

const costSchema = z.strictObject({ started: z.number(), ended: z.number(), nodes: z.int().min(1), gpus_per_node: z.int().min(0), joules: z.number().nullable() });
/** trainer_state.json of transformers, as far as it is read. */
const stateSchema = z.object({ global_step: z.int(), total_flos: z.number().optional(), num_input_tokens_seen: z.number().optional(), log_history: z.array(z.record(z.string(), z.json())) });

export interface BroughtBack { readonly run: RunFolder; readonly steps: number; readonly seconds: number; readonly joules: EnergyReading }

/** @param watts of a node, where Slurm counted no energy */
export async function bringBack(folder: string, name: string, home: string, watts?: number): Promise<BroughtBack> {
  const handed = read(join(folder, 'handover.json'), handedSchema, 'Give the folder that `tiefsuche handover` wrote.'), result = join(folder, 'result');
  const cost = read(join(result, 'cost.json'), costSchema, 'The job writes it at its end; has it finished?'), state = read(statePath(result), stateSchema, 'TRL writes it with its checkpoint.');
  if ((await hashFolder(join(folder, 'model'))).sha256 !== handed.model.sha256) throw new TiefsucheError('MISMATCH', `model/ in ${folder} is not what was handed over`, { hint: 'Nothing was imported. Bring the folder back as the job left it.' });
  const adapter = existsSync(join(result, 'adapter_config.json')), parent = parentRun(handed, home);
  const source = adapter ? openExportSource(join(folder, 'model'), result) : openExportSource(result);
  try {
    const run = createRun(name, home, (made) => writeFileAtomic(made.recipe, recipeText(name, handed))), lock = lockRun(run.attempts, name);
    await exportFolder(source, run.final, 'F32', licenceFiles(join(folder, 'model')));
    const final = await hashFolder(run.final), seconds = cost.ended - cost.started, joules = energyOf(cost, watts), { prices, grid } = readPrices(home), recipe = JSON.parse(JSON.stringify({ handed_to: handed.to, from: handed.run, nodes: handed.nodes, settings: readFileSync(join(folder, `${handed.method}.yaml`), 'utf8') }));
    const count = source.specs.reduce((n, s) => n + (s.kind === 'buffer' ? 0 : s.shape.reduce((a, b) => a * b, 1)), 0);
    const ledger = beginAttempt({
      run: run.id, name, attempt: lock.attempt, why: `trained by ${handed.to} elsewhere, from ${handed.run}`, resumed_from: null, seeds: {}, recipe,
      parents: [{ relation: 'weights', run: parent?.id ?? null, name: handed.run, path: join(folder, 'model'), sha256: handed.model.files['model.safetensors'] ?? handed.model.sha256 }],
      model: { type: architectureOf(source.files.config.model_type).modelType, params_total: count, params_active: count },
      code: codeFacts(), hardware: { elsewhere: true, nodes: cost.nodes, gpus_per_node: cost.gpus_per_node }, prices, grid_g_per_kwh: grid,
      meters: { used: [{ name: joules.method, grade: joules.grade, covers: 'all nodes of the job', formula: joules.note ?? 'as the job reported it' }], refused: [] },
    }, home);
    const stage = `0.${handed.method}`, rows = metricsRows(state.log_history, stage), { metrics } = MetricsFile.open(run.metrics, -1), step = state.global_step;
    for (const row of rows) metrics.append(row);
    metrics.flush();
    metrics.close();
    const trained = Math.max(state.num_input_tokens_seen ?? 0, ...state.log_history.map((h) => Number(h['num_tokens'] ?? 0)));
    ledger.tick({ step, phase: 'train', stage, tokens: { trained, sampled: 0 }, loss: rows.findLast((r) => typeof r['loss'] === 'number')?.['loss'] as number ?? null, flop: { model: state.total_flos ?? 0, recompute: 0, sampling: 0 }, seconds, cpu_seconds: 0, joules: [joules] });
    ledger.end({ outcome: 'completed', step, checkpoint_sha256: final.sha256, error: null });
    logCheckpoint(run, { what: 'final', step, ...final });
    writeFileAtomic(run.summary, `${JSON.stringify(summaryOf(run, step, {}, home), null, 1)}\n`);
    lock.end('completed');
    return { run, steps: step, seconds, joules };
  } finally {
    source.close();
  }
}

function read<T>(path: string, schema: z.ZodType<T>, hint: string): T {
  if (!existsSync(path)) throw new TiefsucheError('NOT_FOUND', `there is no ${path}`, { hint });
  let raw: unknown;
  try { raw = JSON.parse(readFileSync(path, 'utf8')); } catch (cause) { throw new TiefsucheError('FORMAT', `${path} is not JSON: ${(cause as Error).message}`, { hint, cause }); }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) throw new TiefsucheError('FORMAT', `${path}: ${parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`).join('; ')}`, { hint });
  return parsed.data;
}

/** The latest checkpoint's, where TRL has put none at the top. */
function statePath(result: string): string {
  const top = join(result, 'trainer_state.json'), steps = existsSync(result) ? readdirSync(result).flatMap((f) => /^checkpoint-(\d+)$/.exec(f)?.[1] ?? []).map(Number) : [];
  return existsSync(top) || steps.length === 0 ? top : join(result, `checkpoint-${Math.max(...steps)}`, 'trainer_state.json');
}

/** By its id, whatever it is called now; null when it is not in this workspace. */
function parentRun(handed: z.output<typeof handedSchema>, home: string): { id: string } | null {
  if (listAttempts(home).some((a) => a.run === handed.run_id)) return { id: handed.run_id };
  try { return openRun(handed.run, home).id === handed.run_id ? { id: handed.run_id } : null; } catch { return null; }
}

function energyOf({ joules, nodes, started, ended }: z.output<typeof costSchema>, watts: number | undefined): EnergyReading {
  if (joules !== null) return { method: 'slurm', grade: 'declared', value: joules, note: 'ConsumedEnergyRaw of the job' };
  if (watts !== undefined) return { method: 'watts-per-node', grade: 'declared', value: watts * nodes * (ended - started), note: `${watts} W on each of ${nodes} nodes, as the importer said` };
  return { method: 'none', grade: 'declared', value: null, note: 'the job counted no energy; say the power of a node with --watts' };
}

/** TRL's log, its names in ours: one row a step. */
function metricsRows(history: z.output<typeof stateSchema>['log_history'], stage: string): MetricsRow[] {
  const names: Readonly<Record<string, string>> = {
    loss: 'loss', learning_rate: 'learning_rate', grad_norm: 'grad_norm', eval_loss: 'heldout_loss',
    reward: 'reward', frac_reward_zero_std: 'dead_groups', entropy: 'entropy', kl: 'kl', 'completions/mean_length': 'length', 'completions/clipped_ratio': 'cut_off',
  }, rows = new Map<number, MetricsRow>();
  for (const entry of history) {
    const step = Number(entry['step']);
    if (!Number.isInteger(step)) continue;
    const row = rows.get(step) ?? { step, stage };
    for (const [theirs, ours] of Object.entries(names)) if (typeof entry[theirs] === 'number') row[ours] = entry[theirs];
    rows.set(step, row);
  }
  return [...rows.values()].sort((a, b) => a.step - b.step);
}

/** Not a recipe that could be trained here: what was done stands in the settings of the other side. */
const recipeText = (name: string, { to, run, nodes }: z.output<typeof handedSchema>): string => `# ${name} was trained by ${to} on ${nodes} nodes, from the run ${run}. Its settings stand in the ledger.\n`;
