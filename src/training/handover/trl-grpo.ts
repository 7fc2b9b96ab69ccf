// Reinforcement by TRL: the problems as rows, reward.py to judge the answers there (trl-reward.ts), the settings of the stage.
// One optimiser step there takes prompts × samples / minibatches completions, over all processes; each generation serves
// `minibatches` steps, as ours does.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TiefsucheError } from '../../errors.ts';
import { type Drawn, drawProblem } from '../../reasoning/problems.ts';
import type { VerifierName } from '../../reasoning/verifiers.ts';
import type { ChatMessage } from '../../tokenizer/chat-template.ts';
import { withFiles } from '../file-task.ts';
import type { grpoSchema } from '../grpo.ts';
import type { Handover } from './handover.ts';
import type { StageForTrl } from './trl.ts';
import { rewardPython } from './trl-reward.ts';
import { textSide } from '../../models/language-model.ts';
import { openModelFiles } from '../../models/load.ts';
import { thoughtPlace } from '../../reasoning/thinking-models.ts';

/** How the answers of our own families are judged, in the words of reward.py. */
const judgedBy: Readonly<Record<string, VerifierName | 'countdown'>> = { arithmetic: 'exact', calendar: 'choice', countdown: 'countdown', order: 'choice' };

/** A row for TRL; all but the prompt are for reward.py. `numbers`: what an expression must be made of, else empty. */
export interface ProblemRow { readonly prompt: readonly ChatMessage[]; readonly verifier: string; readonly expected: string; readonly numbers: readonly number[]; readonly thinks: boolean }

const countdownData = z.object({ numbers: z.array(z.number()), target: z.number() });

export function problemRow({ problem, task }: Drawn, verifier: VerifierName | undefined): ProblemRow {
  const judge = verifier ?? judgedBy[task.name];
  if (judge === undefined) throw new TiefsucheError('UNSUPPORTED', `answers to "${task.name}" cannot be judged in Python yet`, { hint: 'Leave that family out of the stage, or train it here.' });
  const { numbers, expected } = judge === 'countdown' ? (({ numbers, target }) => ({ numbers, expected: String(target) }))(countdownData.parse(problem.data)) : { numbers: [], expected: problem.answer };
  return { prompt: problem.messages ?? [{ role: 'user', content: problem.prompt }], verifier: judge, expected, numbers, thinks: task.thinks !== false };
}

export async function writeGrpo({ nodes, gpus, processes, steps, recipeFolder }: Handover, raw: Readonly<Record<string, unknown>>, seed: number, place: string): Promise<StageForTrl> {
  const stage = raw as unknown as z.output<typeof grpoSchema>, mix = await withFiles(stage.data, recipeFolder), generations = steps ?? stage.steps;
  const rows = Array.from({ length: generations * stage.prompts }, (_, i) => {
    const drawn = drawProblem(mix, seed, i, 'train'), { file, verifier } = stage.data.tasks[drawn.family]!;
    return problemRow(drawn, file === undefined ? undefined : verifier ?? 'exact');
  });
  writeFileSync(join(place, 'data', 'train.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const model = openModelFiles(join(place, 'model')), where = thoughtPlace(textSide(model));
  model.close();
  writeFileSync(join(place, 'reward.py'), rewardPython({ longest: stage.max_new_tokens, margin: stage.overlong_margin, place: where }));
  const workers = nodes * (gpus > 0 ? gpus : processes), { batch, accumulation } = batchOf(stage, workers), updates = generations * stage.minibatches;
  return {
    yaml: {
      max_steps: updates, save_steps: updates, per_device_train_batch_size: batch, gradient_accumulation_steps: accumulation, steps_per_generation: accumulation * stage.minibatches,
      reward_funcs: ['reward.score'], num_generations: stage.samples, max_completion_length: stage.max_new_tokens,
      temperature: stage.temperature, top_k: stage.top_k, top_p: stage.top_p, ...(stage.min_p > 0 && { min_p: stage.min_p }),
      beta: stage.beta, epsilon: stage.clip.low, epsilon_high: stage.clip.high, scale_rewards: stage.scale_by_std ? 'group' : 'none', loss_type: 'dapo', mask_truncated_completions: stage.overlong_filter,
    },
    readme: [
      `\`grpo.yaml\` is the stage of our recipe in TRL's words: ${stage.prompts} prompts a step and ${stage.samples} samples of each (${batch * accumulation * workers} completions an update over all processes). \`reward.py\` judges as our verifiers do; look at it before you trust it.`, '',
      'Different there: families of problems are drawn by the weights of the recipe, where ours are drawn more often while they are neither solved nor hopeless; tokens of groups without a signal count in the mean of the loss; sampling and training are two programs, so their log-probabilities differ by rounding. TRL samples with transformers; with GPUs and `pip install vllm`, `use_vllm: true` in `grpo.yaml` is much quicker.',
    ],
  };
}

/** Completions a process takes at once, and how often before an update: all of a generation must be whole groups. */
export function batchOf({ prompts, samples, minibatches }: Pick<z.output<typeof grpoSchema>, 'prompts' | 'samples' | 'minibatches'>, workers: number): { batch: number; accumulation: number } {
  let each = Math.max(1, Math.round(prompts * samples / minibatches / workers));
  while ((each * workers * minibatches) % samples !== 0) each++;
  let batch = Math.min(each, 16);
  while (each % batch !== 0) batch--;
  return { batch, accumulation: each / batch };
}
