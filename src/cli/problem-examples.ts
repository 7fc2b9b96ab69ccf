// Problems that a run was trained for, to show what may be asked of its model, and a warning for words it has never seen.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LanguageModel } from '../models/language-model.ts';
import { drawFrom } from '../reasoning/problems.ts';
import { taskChatTemplate } from '../reasoning/task-tokenizer.ts';
import { readRecipe } from '../training/recipe-parts.ts';
import { runsFolder } from '../home.ts';

/** One unseen problem a family, English and German in turn; none for models that are not born on the tasks. */
export function problemExamples({ chatTemplate }: LanguageModel, run: string): string[] {
  const recipe = join(runsFolder(), run, 'recipe.yaml');
  if (chatTemplate !== taskChatTemplate || !existsSync(recipe)) return [];
  const mix = readRecipe(readFileSync(recipe, 'utf8'), { name: recipe }).evaluation.problems;
  if (!mix) return [];
  const languages = mix.languages.length > 1 ? (['en', 'de'] as const) : mix.languages;
  return mix.tasks.map((_, i) => drawFrom({ ...mix, languages: [languages[i % languages.length]!] }, i, 5, i, 'test').problem.prompt);
}

/** Characters of a text that the vocabulary lacks, each once; none for models that can spell everything. */
export function unknownCharacters({ tokenizer }: LanguageModel, text: string): string[] {
  const unknown = tokenizer.specialTokens.unk;
  if (unknown === undefined || !tokenizer.encode(text).includes(unknown)) return [];
  return [...new Set(text)].filter((c) => tokenizer.encode(c).includes(unknown));
}
