// What `start` says on a machine without native kernels: five seconds of measuring, what the quickstart would take, how to
// get a compiler, and the way out: --tiny, one family of problems that plain JavaScript learns in minutes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildLine } from '../engine/backends/cpu/addon-path.ts';
import { ReferenceBackend } from '../engine/backends/reference/reference.ts';
import { Arena } from '../engine/program.ts';
import { packageRoot } from '../ledger/provenance.ts';
import { demonstration, drawProblem } from '../reasoning/problems.ts';
import { packBatches } from '../training/batches.ts';
import { makeModel } from '../training/model-source.ts';
import { type TrainingRecipe, readRecipe } from '../training/recipe-parts.ts';
import { Updater } from '../training/updater.ts';
import { homeFolder } from '../home.ts';
import { duration } from './figures.ts';
import type { Terminal } from './terminal.ts';

const measuringSeconds = 5;

export const recipePath = (name: string): string => join(packageRoot(), 'recipes', `${name}.yaml`);
const recipeNamed = (name: string): TrainingRecipe => readRecipe(readFileSync(recipePath(name), 'utf8'), { name });

export async function explainNoCompiler(terminal: Terminal): Promise<void> {
  terminal.warn('the native kernels are not built, so plain JavaScript would compute');
  process.stderr.write(`measuring for ${measuringSeconds} seconds …\n`);
  const rate = await flopPerSecond(), time = async (name: string): Promise<string> => duration(await flopOf(recipeNamed(name)) / rate), [quickstart, tiny] = [await time('quickstart'), await time('tiny')];
  terminal.print(`Without them the quickstart takes about ${terminal.out.bold(quickstart)} here; with them, minutes. A C++ compiler is one line:
  Debian, Ubuntu  sudo apt install g++
  Fedora          sudo dnf install gcc-c++
  macOS           xcode-select --install
  Windows         winget install LLVM.LLVM
then \`${buildLine}\` builds them. Or train a smaller model on one family of problems as it is, in about ${terminal.out.bold(tiny)}:
  ${process.env['npm_lifecycle_event'] === 'start' ? 'npm start --' : 'tiefsuche start'} --tiny`);
}

/** FLOP/s of real training steps of the tiny recipe in plain JavaScript. */
async function flopPerSecond(): Promise<number> {
  const recipe = recipeNamed('tiny'), backend = new ReferenceBackend(), language = await makeModel(backend, recipe, '.', homeFolder()), arena = new Arena(backend);
  const updater = new Updater(language.model, arena, { adamw: { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 }, clip: 1 });
  const examples = Array.from({ length: 4 }, (_, i) => demonstration(language, drawProblem(recipe.evaluation.problems!, 1, i, 'train')));
  const begun = performance.now();
  let flop = 0, step = 0;
  do flop += (await updater.update(packBatches(examples, { coefficient: 0.01, limits: { tokens: 8192 } }), ++step, 1)).flops.model;
  while (performance.now() - begun < 1000 * measuringSeconds);
  updater.close();
  language.model.close();
  return flop / ((performance.now() - begun) / 1000);
}

/** About how many FLOP a recipe on tasks takes: 6 a parameter and trained token, 2 a sampled one; half of the groups carry a signal. */
async function flopOf(recipe: TrainingRecipe): Promise<number> {
  const language = await makeModel(new ReferenceBackend(), recipe, '.', homeFolder()), parameters = language.model.parameters.count();
  const mix = recipe.evaluation.problems!, drawn = Array.from({ length: 64 }, (_, i) => demonstration(language, drawProblem(mix, 1, i, 'train')));
  const length = drawn.reduce((n, d) => n + d.ids.length, 0) / drawn.length;
  language.model.close();
  return recipe.stages.reduce((sum, stage) => {
    const n = Number(stage['steps']) * length * parameters;
    return sum + (stage.method === 'grpo' ? n * Number(stage['prompts']) * Number(stage['samples']) * (2 + 6 / 2) : n * Number(stage['batch']) * 6);
  }, 0);
}
