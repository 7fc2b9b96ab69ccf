// One attempt at a run: stages one after another, step by step; in between evaluations and checkpoints. What is due at a
// place is decided by what is there already, so an attempt that begins where another was killed does just what is missing,
// and comes to the same bytes.

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireFreeDisk, writeFileAtomic } from '../durable-file.ts';
import { TiefsucheError, isTiefsucheError } from '../errors.ts';
import { faultPoint } from '../fault-point.ts';
import { Arena } from '../engine/program.ts';
import { recordAttempt } from '../ledger/record-attempt.ts';
import type { Outcome } from '../ledger/events.ts';
import { saveAdapter, saveAdapterWithoutWeights } from '../models/adapter-files.ts';
import { type LanguageModel, saveLanguageModel, saveLanguageModelWithoutWeights } from '../models/language-model.ts';
import { derivedFiles } from '../models/licence.ts';
import { resolveModelPath } from '../models/model-path.ts';
import { Rollout, type RolloutOptions } from '../reasoning/rollout.ts';
import { logCheckpoint } from './checkpoint-log.ts';
import { curvesSvg } from './curves.ts';
import { type Evaluation, evaluate, shownAnswers } from './evaluation.ts';
import { type EvaluationPoint, type EvaluationResult, pointsAt, resultOf, scoreAt, withAccuracy } from './evaluation-points.ts';
import type { Stage } from './method.ts';
import { type MemoryPlan, planMemory, requireMemory } from './memory-plan.ts';
import { startStage } from './methods.ts';
import { makeModel } from './model-source.ts';
import { checkParents, parentsOf } from './parents.ts';
import { type TrainingRecipe, totalSteps } from './recipe-parts.ts';
import { type Checkpoint, checkCheckpoint, hashFolder, listCheckpoints, pruneCheckpoints, saveCheckpoint } from '../runs/run-folder-checkpoints.ts';
import { MetricsFile, readMetrics } from '../runs/run-folder-metrics.ts';
import type { RunFolder } from '../runs/run-folder.ts';
import { RunRecord } from './run-record.ts';
import { type Position, checkWeights, readPosition, restoreOptimizer, restoreReference, restoreWeights, snapshotBytes, writeSnapshot } from './snapshot.ts';
import { type Summary, summaryOf } from './summary.ts';
import type { TrainEvent, TrainOptions } from './train.ts';

export interface Place { readonly run: RunFolder; readonly recipe: TrainingRecipe; /** Where relative paths of the recipe start. */ readonly folder: string; readonly home: string; /** Where models and runs it grew from are looked up. */ readonly sourceHome: string; readonly attempt: number }

const tokensSampled = ({ families }: Evaluation): number => families.reduce((sum, f) => sum + f.answers.reduce((n, a) => n + a.tokens, 0), 0);

const glimpseDue = ({ evaluation: { problems, shown, shown_every: every } }: TrainingRecipe, step: number): boolean => problems !== undefined && shown > 0 && every > 0 && step % every === 0;

export class Session {
  private readonly place: Place;
  private readonly options: TrainOptions;
  private record: RunRecord | null = null;
  private language: LanguageModel | null = null;
  private plan: MemoryPlan | null = null;
  private arena: Arena | null = null;
  private readonly rollouts = new Map<string, Rollout>();
  private position = { step: 0, stage: 0, stageStep: 0, stageOver: false };
  private evaluations: Record<string, EvaluationResult> = {};
  private checkpointHash: string | null = null;
  /** Something has changed since the last checkpoint. */
  private unsaved = false;

  constructor(place: Place, options: TrainOptions) {
    this.place = place;
    this.options = options;
  }

  private emit(event: TrainEvent): void { this.options.onEvent?.(event); }

  private get cancel(): { readonly cancelled: boolean } { return this.options.cancel ?? { cancelled: false }; }

  async train(): Promise<Summary> {
    const { run, recipe, folder } = this.place;
    const checkpoint = await this.open();
    for (let index = this.position.stage; index < recipe.stages.length; index++) {
      if (index !== this.position.stage) this.position = { ...this.position, stage: index, stageStep: 0, stageOver: false };
      if (this.position.stageOver) continue; // its last checkpoint is what we began from
      const language = this.language!, arena = this.arena!;
      const stage = await startStage(recipe, index, { language, arena, folder, cancel: this.cancel, rollout: (options) => this.rollout(options) });
      try {
        if (checkpoint && this.position.stageStep > 0) {
          restoreOptimizer(checkpoint.path, language.model, stage.updater.optimizer);
          restoreReference(checkpoint.path, stage.reference);
          stage.restore(readPosition(checkpoint.path).stageState);
        }
        this.emit({ type: 'stage', index, method: recipe.stages[index]!.method, steps: stage.steps });
        await this.runStage(stage);
      } finally {
        stage.close();
      }
    }
    if (this.language!.model.lora) await saveAdapter(join(run.path, 'adapter'), this.language!.model, 'from' in this.place.recipe.model ? String(this.place.recipe.model.from) : run.name);
    await saveLanguageModel(run.final, this.language!, 'from' in recipe.model ? derivedFiles(resolveModelPath(String(recipe.model.from), folder, this.place.sourceHome)) : {});
    faultPoint('final.saved');
    logCheckpoint(run, { what: 'final', step: this.position.step, ...await hashFolder(run.final) });
    return this.summarise();
  }

  /** Model, records and position, from the last checkpoint if there is one. */
  private async open(): Promise<Checkpoint | null> {
    const { run, recipe, folder, home, sourceHome, attempt } = this.place, { backend } = this.options;
    const checkpoint = listCheckpoints(run.checkpoints).at(-1) ?? null;
    if (checkpoint) {
      await checkCheckpoint(checkpoint);
      logCheckpoint(run, { what: 'checkpoint', ...checkpoint });
      pruneCheckpoints(run.checkpoints, recipe.checkpoints.keep); // a kill between saving and clearing leaves one too many
      const { step, stage, stageStep, stageOver, evaluations } = readPosition(checkpoint.path);
      this.position = { step, stage, stageStep, stageOver };
      this.evaluations = { ...evaluations };
      this.checkpointHash = checkpoint.sha256;
    }
    const parents = await parentsOf(recipe, folder, sourceHome);
    checkParents(run.id, parents, home);
    const plan = this.plan = await planMemory(recipe, folder, sourceHome, backend.info().threads);
    requireMemory(plan);
    const language = this.language = await makeModel(backend, recipe, folder, sourceHome), { model } = language;
    if (checkpoint) restoreWeights(checkpoint.path, model);
    if (model.lora && 'from' in recipe.model) await saveAdapterWithoutWeights(run.model, model, resolveModelPath(String(recipe.model.from), folder, sourceHome));
    else if (!model.lora && !existsSync(run.model)) await saveLanguageModelWithoutWeights(run.model, language);
    this.arena = new Arena(backend, plan.arenaBytes);
    requireFreeDisk(run.path, (recipe.checkpoints.keep.last + 2) * snapshotBytes(model) + 8 * model.countParameters(), 'keeping the checkpoints of this run');
    const { metrics } = MetricsFile.open(run.metrics, checkpoint?.step ?? -1);
    this.record = new RunRecord(attempt, metrics, recordAttempt({
      run: run.id, name: run.name, attempt, why: recipe.why, parents, recipe, seeds: { recipe: recipe.seed, evaluation: recipe.evaluation.seed },
      resumed_from: checkpoint && { step: checkpoint.step, checkpoint_sha256: checkpoint.sha256 },
      model: { type: String(model.config['model_type']), params_total: model.countParameters(), params_active: model.activeParameters() },
    }, home));
    this.record.stand(this.position.step, '');
    this.emit({ type: 'start', run, recipe, parameters: model.countParameters(), resumedFrom: checkpoint?.step ?? null, totalSteps: totalSteps(recipe) });
    return checkpoint;
  }

  private async runStage(stage: Stage): Promise<void> {
    const { recipe } = this.place, { position } = this;
    const saves = (): boolean => position.stageStep % recipe.checkpoints.every === 0 || (this.options.saveAt?.has(position.step) ?? false);
    try {
      for (;;) {
        const over = position.stageStep >= stage.steps || (stage.finished?.() ?? false);
        for (const point of pointsAt(recipe, { ...position, over })) if (!this.evaluations[point.key]) await this.evaluate(point);
        if (glimpseDue(recipe, position.step)) await this.glimpse();
        if (over) position.stageOver = true;
        if (this.unsaved && (over || saves())) await this.save(stage);
        if (over) return;
        if (this.cancel.cancelled) throw new TiefsucheError('STOPPED', 'stopped');
        await this.step(stage);
      }
    } catch (error) {
      if (!isTiefsucheError(error) || error.code !== 'STOPPED') throw error;
      if (this.unsaved) await this.save(stage); // sampling stops before anything of its step has changed
      throw new TiefsucheError('STOPPED', `stopped after step ${position.step}; all of it is saved`, { hint: `Go on with: tiefsuche train --run ${this.place.run.name} --resume` });
    }
  }

  private async step(stage: Stage): Promise<void> {
    const { position } = this, { method } = this.place.recipe.stages[position.stage]!;
    const start = performance.now();
    const result = await stage.step(position.stageStep).catch((error: unknown) => {
      if (!isTiefsucheError(error) || error.code !== 'NUMERICS') throw error;
      throw new TiefsucheError('NUMERICS', `in step ${position.step + 1} (${method}) ${error.message}`, { ...(error.hint && { hint: error.hint }), cause: error });
    });
    position.step++;
    position.stageStep++;
    this.unsaved = true;
    const row = this.record!.step(position.step, `${position.stage}.${method}`, result, (performance.now() - start) / 1000);
    faultPoint('step.done');
    this.emit({ type: 'step', step: position.step, stage: position.stage, method, stageStep: position.stageStep, stageSteps: stage.steps, row });
  }

  private async evaluate({ label, key, n }: EvaluationPoint): Promise<void> {
    const { run, recipe } = this.place, { step } = this.position, record = this.record!;
    record.tick('train');
    const rollout = this.rollout(this.plan!.evaluation), before = rollout.flops;
    const evaluation = await evaluate(this.language!, rollout, recipe.evaluation, { n, folder: this.place.folder, cancel: this.cancel, withoutThinking: label === 'after_without_thinking', onAnswer: (done, total) => this.emit({ type: 'answers', done, total }) });
    record.add({ sampled: tokensSampled(evaluation), flop: { sampling: rollout.flops - before } });
    const result = this.evaluations[key] = resultOf(evaluation, step);
    this.unsaved = true;
    const file = join(run.samples, `step-${String(step).padStart(8, '0')}-${label}.json`);
    writeFileAtomic(file, `${JSON.stringify({ label, ...result, shown: shownAnswers(evaluation, recipe.evaluation.shown) }, null, 1)}\n`);
    record.tick('evaluate');
    this.emit({ type: 'evaluation', step, label, evaluation });
  }

  /** The shown problems alone, as the weights answer them now. It changes nothing that training depends on. */
  private async glimpse(): Promise<void> {
    const { run, recipe, folder } = this.place, { step } = this.position, { shown } = recipe.evaluation, prefix = `step-${String(step).padStart(8, '0')}-`;
    if (readdirSync(run.samples).some((name) => name.startsWith(prefix) && name.endsWith('.json'))) return; // an evaluation, or an attempt before this one
    const record = this.record!;
    record.tick('train');
    const rollout = this.rollout(this.plan!.evaluation), before = rollout.flops;
    const evaluation = await evaluate(this.language!, rollout, recipe.evaluation, { n: Math.ceil(shown / recipe.evaluation.problems!.tasks.length), folder, cancel: this.cancel });
    record.add({ sampled: tokensSampled(evaluation), flop: { sampling: rollout.flops - before } });
    writeFileAtomic(join(run.samples, `${prefix}glimpse.json`), `${JSON.stringify({ label: 'glimpse', step, shown: shownAnswers(evaluation, shown) }, null, 1)}\n`);
    record.tick('evaluate');
  }

  private rollout(options: RolloutOptions): Rollout {
    const key = JSON.stringify(options);
    const rollout = this.rollouts.get(key) ?? new Rollout(this.language!.model, this.arena!, options);
    this.rollouts.set(key, rollout);
    return rollout;
  }

  private async save(stage: Stage): Promise<void> {
    const { run, recipe } = this.place, { step } = this.position, record = this.record!;
    record.tick('train');
    await checkWeights(this.language!.model, this.arena!, step);
    record.flush();
    const position: Position = { ...this.position, stageState: stage.state(), evaluations: this.evaluations };
    const checkpoint = await saveCheckpoint(run.checkpoints, step, (folder) => writeSnapshot(folder, this.language!.model, stage.updater.optimizer, position, stage.reference), scoreAt(this.evaluations, step));
    this.checkpointHash = checkpoint.sha256;
    this.unsaved = false;
    logCheckpoint(run, { what: 'checkpoint', ...checkpoint });
    pruneCheckpoints(run.checkpoints, recipe.checkpoints.keep);
    this.draw();
    record.tick('save');
    this.emit({ type: 'checkpoint', step, sha256: checkpoint.sha256 });
  }

  private draw(): void {
    const { run } = this.place; // a picture may be torn by a crash: the next one replaces it
    writeFileSync(run.curves, curvesSvg(withAccuracy(readMetrics(run.metrics), this.evaluations), { title: run.name }));
  }

  private summarise(): Summary {
    const { run, home } = this.place;
    this.draw();
    this.record!.tick('save');
    const summary = summaryOf(run, this.position.step, this.evaluations, home);
    writeFileAtomic(run.summary, `${JSON.stringify(summary, null, 1)}\n`);
    this.end('completed');
    return summary;
  }

  /** Closes the record; without an attempt on record, nothing has happened that could be. */
  end(outcome: Outcome, error: unknown = null): void {
    const told = error === null ? null : { code: isTiefsucheError(error) ? error.code : 'INTERNAL', message: (error as Error).message };
    this.record?.end({ outcome, checkpoint_sha256: this.checkpointHash, error: told });
  }

  close(): void {
    this.record?.close();
    for (const rollout of this.rollouts.values()) rollout.close();
    this.arena?.close();
    this.language?.model.close();
  }
}
