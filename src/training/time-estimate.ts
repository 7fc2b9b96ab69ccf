// How long a run will take here, by doing a little of it: a few steps of each stage, a few of the rows it measures itself
// on, and a few answers, with the real shapes. Where the mean length of the rows is known, time goes by tokens, because a
// few steps may have short ones. Young models answer at full length, so reinforcement usually comes out shorter.

import { TiefsucheError } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { Arena } from '../engine/program.ts';
import { Rollout, type RolloutOptions } from '../reasoning/rollout.ts';
import { evaluate } from './evaluation.ts';
import { pointsAt } from './evaluation-points.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { EncodedFiles, Stage } from './method.ts';
import { startStage } from './methods.ts';
import { makeModel } from './model-source.ts';
import type { TrainingRecipe } from './recipe-parts.ts';

export interface TimeEstimate {
  readonly stages: readonly { readonly method: string; readonly steps: number; readonly secondsPerStep: number; /** Of losses on held-out rows, in all. */ readonly besideSeconds: number; readonly seconds: number }[];
  readonly evaluations: { readonly count: number; readonly seconds: number };
  readonly seconds: number;
}

export interface ProbeOptions {
  readonly cancel?: { readonly cancelled: boolean };
  /** Seconds after which a measurement is enough. */
  readonly patience?: number;
  readonly files?: EncodedFiles;
  /** Steps of a stage that are enough if they take a second together; the first half of them warms up. */
  readonly steps?: number;
}

export async function estimateTime(backend: Backend, recipe: TrainingRecipe, folder: string, home: string, plan: MemoryPlan, { cancel = { cancelled: false }, patience = 3, steps = 2, files = new Map() }: ProbeOptions = {}): Promise<TimeEstimate> {
  const language = await makeModel(backend, recipe, folder, home), arena = new Arena(backend, plan.arenaBytes), rollouts: Rollout[] = [];
  const rollout = (options: RolloutOptions): Rollout => {
    const made = new Rollout(language.model, arena, options);
    rollouts.push(made);
    return made;
  };
  try {
    const stages: TimeEstimate['stages'][number][] = [];
    let evaluated = 0;
    for (const [index, { method }] of recipe.stages.entries()) {
      const stage = await startStage(recipe, index, { language, arena, folder, cancel, files, rollout });
      const secondsPerStep = await timeSteps(stage, patience, steps, cancel), besideSeconds = await timeBeside(stage);
      stages.push({ method, steps: stage.steps, secondsPerStep, besideSeconds, seconds: secondsPerStep * stage.steps + besideSeconds });
      evaluated += problemsIn(recipe, index, stage.steps);
      stage.close();
    }
    const count = evaluated, families = recipe.evaluation.problems?.tasks.length ?? 0;
    const seconds = families > 0 ? await secondsPerProblem(Math.min(recipe.evaluation.n, Math.ceil(plan.evaluation.maxRows / families))) * count * families : 0;
    return { stages, evaluations: { count: count * families, seconds }, seconds: stages.reduce((sum, s) => sum + s.seconds, 0) + seconds };
  } finally {
    rollouts.forEach((made) => made.close());
    arena.close();
    language.model.close();
  }

  /** A handful first: where already that is slow, more would take too long to know only a little better. */
  async function secondsPerProblem(n: number): Promise<number> {
    const sampler = rollout(plan.evaluation);
    const of = async (problems: number): Promise<number> => {
      const { seconds, result } = await timed(() => evaluate(language, sampler, recipe.evaluation, { n: problems, folder, cancel }));
      return seconds / (problems * result.families.length);
    };
    const few = Math.min(8, n), first = await of(few);
    return n === few || first * few > patience ? first : of(n);
  }
}

/** Steps that measure nothing beside, until it is enough; very short ones are slower until the machine is warm. */
async function timeSteps(stage: Stage, patience: number, enough: number, cancel: { readonly cancelled: boolean }): Promise<number> {
  const all = Array.from({ length: stage.steps }, (_, step) => step), plain = all.filter((step) => !stage.beside?.at(step));
  const taken: { seconds: number; tokens: number }[] = [], start = performance.now();
  for (const step of plain.length > 0 ? plain : all) {
    if (cancel.cancelled) throw new TiefsucheError('STOPPED', 'stopped while measuring; nothing has begun');
    const { seconds, result } = await timed(() => stage.step(step)), spent = (performance.now() - start) / 1000;
    taken.push({ seconds, tokens: result.trained });
    if (spent > patience || (taken.length >= enough && spent > 1)) break;
  }
  const warm = taken.slice(Math.floor(taken.length / 2)), total = (of: (t: (typeof taken)[number]) => number): number => warm.reduce((sum, t) => sum + of(t), 0);
  const seconds = total((t) => t.seconds), tokens = total((t) => t.tokens);
  return stage.meanTokens !== undefined && tokens > 0 ? (seconds / tokens) * stage.meanTokens : seconds / warm.length;
}

async function timeBeside({ beside }: Stage): Promise<number> {
  if (!beside || beside.tokens === 0) return 0;
  const { seconds, result: tokens } = await timed(() => beside.sample());
  return tokens === 0 ? 0 : (seconds / tokens) * beside.tokens;
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const start = performance.now(), result = await work();
  return { seconds: (performance.now() - start) / 1000, result };
}

/** Problems a family that are evaluated in and after a stage. */
function problemsIn(recipe: TrainingRecipe, stage: number, steps: number): number {
  let n = 0;
  for (let stageStep = 0; stageStep <= steps; stageStep++) for (const point of pointsAt(recipe, { step: stageStep, stage, stageStep, over: stageStep === steps })) n += point.n;
  return n;
}
