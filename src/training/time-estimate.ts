// How long a run will take here, by doing a little of it: two steps of each stage and a few answers, with real shapes on
// untrained weights. Young models answer at full length, so reinforcement usually comes out shorter than this says.

import type { Backend } from '../engine/backend.ts';
import { Arena } from '../engine/program.ts';
import { Rollout, type RolloutOptions } from '../reasoning/rollout.ts';
import { evaluate } from './evaluation.ts';
import { pointsAt } from './evaluation-points.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { startStage } from './methods.ts';
import { makeModel } from './model-source.ts';
import type { TrainingRecipe } from './recipe-parts.ts';

export interface TimeEstimate {
  readonly stages: readonly { readonly method: string; readonly steps: number; readonly secondsPerStep: number; readonly seconds: number }[];
  readonly evaluations: { readonly count: number; readonly seconds: number };
  readonly seconds: number;
}

const patience = 3; // seconds after which one step is enough to know

export async function estimateTime(backend: Backend, recipe: TrainingRecipe, folder: string, home: string, plan: MemoryPlan, cancel: { readonly cancelled: boolean } = { cancelled: false }): Promise<TimeEstimate> {
  const language = makeModel(backend, recipe, folder, home), arena = new Arena(backend, plan.arenaBytes), rollouts: Rollout[] = [];
  const rollout = (options: RolloutOptions): Rollout => {
    const made = new Rollout(language.model, arena, options);
    rollouts.push(made);
    return made;
  };
  try {
    const stages: TimeEstimate['stages'][number][] = [];
    let evaluated = 0;
    for (const [index, { method }] of recipe.stages.entries()) {
      const stage = await startStage(recipe, index, { language, arena, folder, cancel, rollout });
      let secondsPerStep = Infinity;
      for (let step = 0; step < Math.min(2, stage.steps) && (step === 0 || secondsPerStep < patience); step++) {
        const start = performance.now();
        await stage.step(step);
        secondsPerStep = Math.min(secondsPerStep, (performance.now() - start) / 1000); // the first one also warms up
      }
      stages.push({ method, steps: stage.steps, secondsPerStep, seconds: secondsPerStep * stage.steps });
      evaluated += problemsIn(recipe, index, stage.steps);
      stage.close();
    }
    const count = evaluated, families = recipe.evaluation.problems?.tasks.length ?? 0;
    const seconds = families > 0 ? await secondsPerProblem(Math.ceil(plan.evaluation.maxRows / families)) * count * families : 0;
    return { stages, evaluations: { count: count * families, seconds }, seconds: stages.reduce((sum, s) => sum + s.seconds, 0) + seconds };
  } finally {
    rollouts.forEach((made) => made.close());
    arena.close();
    language.model.close();
  }

  async function secondsPerProblem(n: number): Promise<number> {
    const start = performance.now(), evaluation = await evaluate(language, rollout(plan.evaluation), recipe.evaluation, { n, folder, cancel });
    return (performance.now() - start) / 1000 / (n * evaluation.families.length);
  }
}

/** Problems a family that are evaluated in and after a stage. */
function problemsIn(recipe: TrainingRecipe, stage: number, steps: number): number {
  let n = 0;
  for (let stageStep = 0; stageStep <= steps; stageStep++) for (const point of pointsAt(recipe, { step: stageStep, stage, stageStep, over: stageStep === steps })) n += point.n;
  return n;
}
