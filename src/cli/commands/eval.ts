// `tiefsuche eval MODEL --task NAME`: accuracy on unseen problems of one task.
import { Arena } from '../../engine/program.ts';
import type { CacheType } from '../../engine/cache-pages.ts';
import { openBackend } from '../../engine/backends/open.ts';
import { taskAccuracy } from '../../evaluation/task-accuracy.ts';
import type { Precision } from '../../models/compressed.ts';
import { openLanguageModel } from '../../models/language-model.ts';
import { Rollout } from '../../reasoning/rollout.ts';
import { taskNamed, tasks } from '../../reasoning/tasks/index.ts';
import { resolveModelPath } from '../../models/model-path.ts';
import type { Command } from '../command.ts';
import { adapterOption, cacheOption, precisionOption, wholeNumber } from '../option-values.ts';
import { openProgress } from '../progress.ts';
import { chosenModel } from './chat.ts';

export const evaluate: Command = {
  name: 'eval',
  summary: 'how many unseen problems a model solves',
  arguments: [{ name: '[model]', text: 'run name, Hugging Face folder or GGUF file; the quickstart by default' }],
  options: [
    { flags: '--task <name>', text: 'family of problems', choices: tasks.map((t) => t.name) },
    { flags: '--difficulty <n>', text: 'level; the task\'s default', parse: wholeNumber('--difficulty', { min: 1 }) },
    { flags: '--language <code>', text: 'de or en; both by default', choices: ['de', 'en'] },
    { flags: '--n <n>', text: 'problems', fallback: 200, parse: wholeNumber('--n', { min: 1 }) },
    { flags: '--seed <n>', text: 'which problems', fallback: 1_000_003, parse: wholeNumber('--seed', { min: 0 }) },
    { flags: '--max-tokens <n>', text: 'longest answer', fallback: 160, parse: wholeNumber('--max-tokens', { min: 1 }) },
    precisionOption('f32'),
    cacheOption,
    adapterOption,
    { flags: '--without-thinking', text: 'force an empty thought' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche eval quickstart --task calendar', text: 'on 200 unseen problems' },
    { line: 'tiefsuche eval quickstart --task countdown --difficulty 3', text: 'harder ones' },
  ],
  async run({ args, options, json, terminal }) {
    const { n, seed, maxTokens, withoutThinking, task = tasks[0]!.name, difficulty, precision, cache, adapter, language: code } = options as {
      n: number; precision: Precision; cache: CacheType; adapter?: string; seed: number; maxTokens: number; withoutThinking?: boolean; task?: string; difficulty?: number; language?: 'de' | 'en' };
    const backend = openBackend(), language = openLanguageModel(backend, resolveModelPath(chosenModel(args[0])), { precision, adapter });
    const arena = new Arena(backend);
    const rollout = new Rollout(language.model, arena, { maxRows: Math.min(n, 64), cache, maxTokens: Math.min(language.model.maxPositions, maxTokens + 256) });
    const mix = { tasks: [{ task: taskNamed(task).name, difficulty, weight: 1 }], languages: code ? [code] : ['de', 'en'] as ('de' | 'en')[] };
    const progress = openProgress({ label: task, total: n, unit: 'answers' });
    const [result] = await taskAccuracy(language, rollout, mix, { n, seed, maxNew: maxTokens, withoutThinking: withoutThinking ?? false, onAnswer: (done) => progress.update(done) });
    progress.finish();
    const { accuracy, interval } = result!;
    if (json) terminal.print(JSON.stringify({ task, accuracy, n, interval }));
    else terminal.print(`${task}: ${(100 * accuracy).toFixed(1)} % of ${n} (95 % interval ${(100 * interval[0]).toFixed(1)} to ${(100 * interval[1]).toFixed(1)})`);
    rollout.close();
    arena.close();
    language.model.close();
    backend.close();
  },
};
