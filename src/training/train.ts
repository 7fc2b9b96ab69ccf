// The loop: stages of a recipe one after another, step by step; after each step a row of metrics and, now and then, a
// record in the ledger, an evaluation, a checkpoint. Killed at any moment it goes on from the last checkpoint, and comes
// to the same bytes as if nothing had happened.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../durable-file.ts';
import { TiefsucheError, isTiefsucheError } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { Arena } from '../engine/program.ts';
import { homeFolder } from '../home.ts';
import { openEnergyMeter } from '../ledger/meters/index.ts';
import { readPrices } from '../ledger/prices.ts';
import { codeFacts, hardwareFacts } from '../ledger/provenance.ts';
import { type AttemptLedger, beginAttempt } from '../ledger/workspace.ts';
import { type LanguageModel, saveLanguageModel } from '../models/language-model.ts';
import { Rollout, type RolloutOptions } from '../reasoning/rollout.ts';
import { curvesSvg } from './curves.ts';
import { type Evaluation, evaluate, shownAnswers } from './evaluation.ts';
import type { Stage, StepResult } from './method.ts';
import { methods } from './methods.ts';
import { makeModel } from './model-source.ts';
import { formatRecipe } from './recipe.ts';
import { readRecipe, type TrainingRecipe } from './recipe-parts.ts';
import { type Checkpoint, checkCheckpoint, listCheckpoints, pruneCheckpoints, saveCheckpoint } from './run-folder-checkpoints.ts';
import { MetricsFile, type MetricsRow, type MetricsValue, readMetrics } from './run-folder-metrics.ts';
import { type RunFolder, createRun, openRun, tidyRun } from './run-folder.ts';
import { lockRun } from './run-lock.ts';
import { type Position, readPosition, restoreOptimizer, restoreWeights, writeSnapshot } from './snapshot.ts';

/** What the loop tells whoever watches. */
export type TrainEvent =
  | { readonly type: 'start'; readonly run: RunFolder; readonly recipe: TrainingRecipe; readonly parameters: number; readonly resumedFrom: number | null; readonly totalSteps: number }
  | { readonly type: 'stage'; readonly index: number; readonly method: string; readonly steps: number }
  | { readonly type: 'step'; readonly step: number; readonly stage: number; readonly method: string; readonly stageStep: number; readonly stageSteps: number; readonly row: MetricsRow }
  | { readonly type: 'evaluation'; readonly step: number; readonly label: EvaluationLabel; readonly evaluation: Evaluation }
  | { readonly type: 'checkpoint'; readonly step: number; readonly sha256: string };

export type EvaluationLabel = 'before' | 'between' | 'after' | 'after_without_thinking';

export interface TrainOptions {
  readonly backend: Backend;
  readonly home?: string;
  readonly cancel?: { cancelled: boolean };
  readonly onEvent?: (event: TrainEvent) => void;
  /** Where this run's cost belongs beside itself. */
  readonly parents?: readonly { relation: 'weights' | 'data' | 'trial'; run: string | null; name?: string; path?: string }[];
}

export interface Summary {
  readonly run: string;
  readonly steps: number;
  readonly seconds: number;
  readonly tokens: { readonly trained: number; readonly sampled: number };
  readonly flop: { readonly model: number; readonly recompute: number; readonly sampling: number };
  readonly joules: { readonly value: number; readonly method: string };
  readonly before?: number;
  readonly after?: number;
  readonly after_without_thinking?: number;
  readonly families?: Readonly<Record<string, { readonly before: number; readonly after: number; readonly n: number; readonly interval: readonly [number, number] }>>;
}

/** Results that the summary is made of; they travel in checkpoints. */
interface Results {
  seconds: number; joules: number; joulesMethod: string; trained: number; sampled: number; flop: { model: number; recompute: number; sampling: number };
  accuracy: Record<string, { mean: number; families: Record<string, { accuracy: number; n: number; interval: [number, number] }> }>;
}

const noResults = (): Results => ({ seconds: 0, joules: 0, joulesMethod: '', trained: 0, sampled: 0, flop: { model: 0, recompute: 0, sampling: 0 }, accuracy: {} });

/** Begins a new run from the text of a recipe. */
export async function trainNew(recipeText: string, name: string, recipeFolder: string, options: TrainOptions & { overrides?: readonly string[]; recipeName?: string }): Promise<Summary> {
  const recipe = readRecipe(recipeText, { name: options.recipeName ?? 'recipe', overrides: options.overrides ?? [] });
  const run = createRun(name, options.home);
  writeFileAtomic(run.recipe, formatRecipe(recipe as never));
  writeFileAtomic(join(run.path, 'recipe-folder'), recipeFolder);
  return trainRun(run, options);
}

/** Goes on with a run that was begun. */
export const trainOn = (name: string, options: TrainOptions): Promise<Summary> => trainRun(openRun(name, options.home), options);

async function trainRun(run: RunFolder, options: TrainOptions): Promise<Summary> {
  const recipe = readRecipe(readFileSync(run.recipe, 'utf8'), { name: run.recipe });
  const lock = lockRun(run.attempts, run.name);
  let outcome: 'completed' | 'failed' | 'aborted' = 'failed';
  const session = new Session(run, recipe, options, lock.attempt);
  try {
    tidyRun(run);
    const summary = await session.train();
    outcome = 'completed';
    return summary;
  } catch (error) {
    if (isTiefsucheError(error) && error.code === 'STOPPED') outcome = 'aborted';
    session.fail(error, outcome);
    throw error;
  } finally {
    session.close();
    lock.end(outcome);
  }
}

const evaluationRows = 192;

class Session {
  private readonly run: RunFolder;
  private readonly recipe: TrainingRecipe;
  private readonly options: TrainOptions;
  private readonly attempt: number;
  private readonly home: string;
  private readonly prices: ReturnType<typeof readPrices>;
  private readonly meter: ReturnType<typeof openEnergyMeter>;
  private ledger: AttemptLedger | null = null;
  private metrics: MetricsFile | null = null;
  private language: LanguageModel | null = null;
  private arena: Arena | null = null;
  private rollout: { key: string; rollout: Rollout } | null = null;
  private results = noResults();
  private position = { step: 0, stage: 0, stageStep: 0, stageOver: false };
  private lastCheckpoint: string | null = null;
  private pending = { trained: 0, sampled: 0, model: 0, recompute: 0, sampling: 0, since: performance.now(), cpu: process.cpuUsage() };

  constructor(run: RunFolder, recipe: TrainingRecipe, options: TrainOptions, attempt: number) {
    this.run = run;
    this.recipe = recipe;
    this.options = options;
    this.attempt = attempt;
    this.home = options.home ?? homeFolder();
    this.prices = readPrices(this.home);
    this.meter = openEnergyMeter({ watts: this.prices.watts });
  }

  private emit(event: TrainEvent): void { this.options.onEvent?.(event); }

  private get cancel(): { readonly cancelled: boolean } { return this.options.cancel ?? { cancelled: false }; }

  async train(): Promise<Summary> {
    const { run, recipe, options } = this;
    const folderFile = join(run.path, 'recipe-folder');
    const folder = existsSync(folderFile) ? readFileSync(folderFile, 'utf8') : dirname(run.recipe);
    const checkpoint = listCheckpoints(run.checkpoints).at(-1) ?? null;
    let restored: Position | null = null;
    if (checkpoint) {
      await checkCheckpoint(checkpoint);
      restored = readPosition(checkpoint.path);
      this.results = restored.results as unknown as Results;
      this.lastCheckpoint = checkpoint.sha256;
      this.position = { step: restored.step, stage: restored.stage, stageStep: restored.stageStep, stageOver: restored.stageOver };
    }
    this.metrics = MetricsFile.open(run.metrics, restored?.step ?? -1).metrics;
    const language = this.language = makeModel(options.backend, { ...recipe, lora: (recipe as { lora?: never }).lora }, folder, this.home);
    if (checkpoint) restoreWeights(checkpoint.path, language.model);
    const arena = this.arena = new Arena(options.backend);
    this.openLedger(checkpoint);
    const totalSteps = recipe.stages.reduce((n, s) => n + Number(s['steps']), 0);
    this.emit({ type: 'start', run, recipe, parameters: language.model.parameters.count(), resumedFrom: restored?.step ?? null, totalSteps });
    this.tick('setup', null, null);

    for (let index = this.position.stage; index < recipe.stages.length; index++) {
      const { method: name, ...settings } = recipe.stages[index]!;
      const method = methods.find((m) => m.name === name)!;
      if (index !== this.position.stage) this.position = { ...this.position, stage: index, stageStep: 0, stageOver: false };
      if (this.position.stageOver) continue; // its checkpoint was written at its end
      const stage = await method.start({
        language, arena, seed: recipe.seed + index, folder, cancel: this.cancel,
        rollout: (o) => this.makeRollout(o),
      }, settings as never);
      try {
        if (restored && restored.stage === index && restored.stageStep > 0) {
          restoreOptimizer(checkpoint!.path, language.model, stage.updater.optimizer);
          stage.restore(restored.stageState);
        }
        this.emit({ type: 'stage', index, method: name, steps: stage.steps });
        await this.runStage(stage, index, name);
        await this.evaluateStage(index);
        this.position.stageOver = true;
        await this.save(stage);
      } finally {
        stage.close();
      }
    }
    return this.finish();
  }

  private async runStage(stage: Stage, index: number, method: string): Promise<void> {
    while (this.position.stageStep < stage.steps && !stage.finished?.()) {
      if (this.cancel.cancelled) {
        await this.save(stage);
        throw new TiefsucheError('STOPPED', `stopped after step ${this.position.step}`, { hint: `Go on with: tiefsuche train --run ${this.run.name} --resume` });
      }
      const start = performance.now();
      const result = await stage.step(this.position.stageStep);
      this.position.step++;
      this.position.stageStep++;
      this.recordStep(stage, index, method, result, (performance.now() - start) / 1000);
      const { every, n_between: n } = this.recipe.evaluation;
      if (method === 'grpo' && every > 0 && this.position.stageStep % every === 0 && this.position.stageStep < stage.steps) await this.evaluate('between', n);
      if (this.position.stageStep % this.recipe.checkpoints.every === 0 && this.position.stageStep < stage.steps) await this.save(stage);
    }
  }

  private recordStep(stage: Stage, index: number, method: string, result: StepResult, seconds: number): void {
    const { step, stageStep } = this.position;
    const tokens = result.trained + result.sampled;
    this.pending.trained += result.trained;
    this.pending.sampled += result.sampled;
    for (const key of ['model', 'recompute', 'sampling'] as const) this.pending[key] += result.flops[key];
    this.results.trained += result.trained;
    this.results.sampled += result.sampled;
    for (const key of ['model', 'recompute', 'sampling'] as const) this.results.flop[key] += result.flops[key];
    const row: MetricsRow = {
      step, stage: `${index}.${method}`, loss: result.loss, ...result.metrics, tokens_trained: result.trained, tokens_sampled: result.sampled,
      flop_model: result.flops.model, flop_recompute: result.flops.recompute, flop_sampling: result.flops.sampling,
      seconds: rounded(seconds), tokens_per_s: Math.round(tokens / seconds), joules: rounded(this.joulesSince(false)), attempt: this.attempt,
    };
    this.metrics!.append(row);
    if (performance.now() - this.pending.since > 250) this.tick('train', result.loss, (result.metrics['reward'] as number | undefined) ?? null);
    this.emit({ type: 'step', step, stage: index, method, stageStep, stageSteps: stage.steps, row });
  }

  private lastJoules = 0;

  /** Energy since the last row of metrics; with `reset`, nothing is left for the next. */
  private joulesSince(reset: boolean): number {
    const readings = this.meter.read();
    this.readings.push(...readings);
    const value = readings.reduce((s, r) => s + (r.value ?? 0), 0);
    this.results.joules += value;
    this.results.joulesMethod = readings.map((r) => `${r.method} (${r.grade})`).join(' + ');
    const total = this.lastJoules + value;
    this.lastJoules = reset ? total : 0;
    return total;
  }

  private readings: ReturnType<ReturnType<typeof openEnergyMeter>['read']> = [];

  /** Writes what was done since the last record into the ledger. */
  private tick(phase: 'setup' | 'train' | 'evaluate' | 'save', loss: number | null, reward: number | null): void {
    this.joulesSince(true);
    const seconds = (performance.now() - this.pending.since) / 1000, cpu = process.cpuUsage(this.pending.cpu);
    this.results.seconds += seconds;
    const byMethod = new Map<string, (typeof this.readings)[number]>();
    for (const r of this.readings) {
      const sum = byMethod.get(r.method);
      byMethod.set(r.method, sum ? { ...sum, value: sum.value === null || r.value === null ? (sum.value ?? r.value) : sum.value + r.value } : { ...r });
    }
    this.ledger!.tick({
      step: this.position.step, phase, stage: String(this.position.stage), tokens: { trained: this.pending.trained, sampled: this.pending.sampled }, loss, reward,
      flop: { model: this.pending.model, recompute: this.pending.recompute, sampling: this.pending.sampling },
      seconds, cpu_seconds: (cpu.user + cpu.system) / 1e6, joules: [...byMethod.values()].map(({ parts: _, ...r }) => r),
    });
    this.readings = [];
    this.pending = { trained: 0, sampled: 0, model: 0, recompute: 0, sampling: 0, since: performance.now(), cpu: process.cpuUsage() };
  }

  /** After the last stage before reinforcement the state is `before`; after the last stage `after`. */
  private async evaluateStage(index: number): Promise<void> {
    const { stages, evaluation } = this.recipe;
    const last = index === stages.length - 1, nextIsGrpo = stages[index + 1]?.method === 'grpo';
    if (nextIsGrpo) await this.evaluate('before', evaluation.n);
    if (last) {
      await this.evaluate('after', evaluation.n);
      await this.evaluate('after_without_thinking', evaluation.n);
    }
  }

  private async evaluate(label: EvaluationLabel, n: number): Promise<void> {
    const settings = this.recipe.evaluation;
    if (!settings.problems) return;
    const rollout = this.makeRollout({ maxRows: evaluationRows, maxTokens: Math.min(this.language!.model.maxPositions, 160 + settings.max_new_tokens) });
    const before = rollout.flops;
    const evaluation = (await evaluate(this.language!, rollout, settings, { n, cancel: this.cancel, withoutThinking: label === 'after_without_thinking' }))!;
    this.pending.sampling += rollout.flops - before;
    this.results.flop.sampling += rollout.flops - before;
    const sampled = evaluation.families.reduce((s, f) => s + f.answers.reduce((t, a) => t + a.tokens, 0), 0);
    this.pending.sampled += sampled;
    this.results.sampled += sampled;
    const key = label === 'between' ? `step ${this.position.step}` : label;
    this.results.accuracy[key] = { mean: evaluation.mean, families: Object.fromEntries(evaluation.families.map(({ task, accuracy, n: count, interval }) => [task, { accuracy, n: count, interval }])) };
    const shown = shownAnswers(evaluation, settings.shown);
    writeFileAtomic(join(this.run.samples, `step-${String(this.position.step).padStart(8, '0')}-${label}.json`), `${JSON.stringify({ step: this.position.step, label, mean: evaluation.mean, families: this.results.accuracy[key]!.families, shown }, null, 1)}\n`);
    this.tick('evaluate', null, null);
    this.emit({ type: 'evaluation', step: this.position.step, label, evaluation });
  }

  private makeRollout(options: RolloutOptions): Rollout {
    const key = JSON.stringify(options);
    if (this.rollout?.key === key) return this.rollout.rollout;
    const held = this.held.get(key);
    if (held) return held;
    const rollout = new Rollout(this.language!.model, this.arena!, options);
    this.held.set(key, rollout);
    return rollout;
  }

  private readonly held = new Map<string, Rollout>();

  private async save(stage: Stage): Promise<void> {
    this.metrics!.flush();
    const { stageOver } = this.position;
    const position: Position = { ...this.position, stageState: stage.state(), results: this.results as unknown as MetricsValue };
    const score = Object.values(this.results.accuracy).at(-1)?.mean ?? null;
    const checkpoint = await saveCheckpoint(this.run.checkpoints, this.position.step, (folder) => writeSnapshot(folder, this.language!.model, stage.updater.optimizer, position), score);
    this.lastCheckpoint = checkpoint.sha256;
    this.tick('save', null, null);
    this.ledger!.flush();
    pruneCheckpoints(this.run.checkpoints, this.recipe.checkpoints.keep);
    this.emit({ type: 'checkpoint', step: this.position.step, sha256: checkpoint.sha256 });
    void stageOver;
  }

  private openLedger(checkpoint: Checkpoint | null): void {
    const { run, recipe } = this, { model } = this.language!;
    const from = 'from' in recipe.model ? String(recipe.model.from) : null;
    this.ledger = beginAttempt({
      run: run.id, name: run.name, attempt: this.attempt, why: recipe.why,
      resumed_from: checkpoint ? { step: checkpoint.step, checkpoint_sha256: checkpoint.sha256 } : null,
      parents: [...(from ? [{ relation: 'weights' as const, run: null, path: from }] : []), ...(this.options.parents ?? []).map((p) => ({ ...p }))],
      recipe: JSON.parse(JSON.stringify(recipe)) as never, seeds: { recipe: recipe.seed, evaluation: recipe.evaluation.seed },
      model: { type: String(model.config['model_type']), params_total: model.parameters.count(), params_active: activeParameters(this.language!) },
      code: codeFacts(), hardware: hardwareFacts(), prices: this.prices.prices, grid_g_per_kwh: this.prices.grid, meters: this.meter.description,
    }, this.home);
    this.pending = { ...this.pending, since: performance.now(), cpu: process.cpuUsage() };
  }

  private async finish(): Promise<Summary> {
    const { run, results } = this;
    await saveLanguageModel(run.final, this.language!);
    const rows = readMetrics(run.metrics);
    writeFileAtomic(run.curves, curvesSvg(rows, { title: run.name }));
    this.tick('save', null, null);
    const { before, after, after_without_thinking: without } = results.accuracy;
    const summary: Summary = {
      run: run.name, steps: this.position.step, seconds: rounded(results.seconds), tokens: { trained: results.trained, sampled: results.sampled }, flop: results.flop,
      joules: { value: Math.round(results.joules), method: results.joulesMethod },
      ...(before && { before: before.mean }), ...(after && { after: after.mean }), ...(without && { after_without_thinking: without.mean }),
      ...(after && { families: Object.fromEntries(Object.entries(after.families).map(([task, a]) => [task, { before: before?.families[task]?.accuracy ?? 0, after: a.accuracy, n: a.n, interval: a.interval }])) }),
    };
    writeFileAtomic(run.summary, `${JSON.stringify(summary, null, 1)}\n`);
    this.ledger!.end({ outcome: 'completed', step: this.position.step, checkpoint_sha256: this.lastCheckpoint, error: null });
    this.ledger = null;
    return summary;
  }

  fail(error: unknown, outcome: 'failed' | 'aborted' | 'completed'): void {
    if (!this.ledger) return;
    const known = isTiefsucheError(error);
    this.tick('train', null, null);
    this.ledger.end({ outcome, step: this.position.step, checkpoint_sha256: this.lastCheckpoint, error: { code: known ? error.code : 'INTERNAL', message: (error as Error).message } });
    this.ledger = null;
  }

  close(): void {
    this.metrics?.close();
    for (const rollout of this.held.values()) rollout.close();
    this.arena?.close();
    this.language?.model.close();
    this.meter.close();
  }
}

const rounded = (x: number): number => Number(x.toPrecision(6));

/** Parameters that take part in one token's computation: of the experts only the chosen ones. */
function activeParameters({ model }: LanguageModel): number {
  const experts = model.dims.moe?.experts ?? 0, topk = Number(model.config['num_experts_per_tok'] ?? 0);
  return model.parameters.specs.reduce((n, s) => {
    const size = s.kind === 'buffer' ? 0 : s.shape.reduce((a, b) => a * b, 1);
    return n + (s.stack && experts > 0 ? (size * topk) / experts : size);
  }, 0);
}
