// Problems that a model born on the tasks was trained for, to show what may be asked. Other models have none.
import type { LanguageModel } from '../models/language-model.ts';
import { tasks } from '../reasoning/tasks/index.ts';
import { taskChatTemplate } from '../reasoning/task-tokenizer.ts';

export function problemExamples({ chatTemplate, tokenizer }: LanguageModel): string[] {
  if (chatTemplate !== taskChatTemplate) return [];
  const unknown = tokenizer.specialTokens.unk;
  return tasks.flatMap((task, i) => {
    const prompt = task.generate({ seed: 5, index: i, difficulty: task.defaultDifficulty, language: i % 2 === 0 ? 'en' : 'de', split: 'test' }).prompt;
    return tokenizer.encode(prompt).includes(unknown ?? -1) ? [] : [prompt];
  });
}
