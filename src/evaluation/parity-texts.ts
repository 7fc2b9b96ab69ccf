// What a parity proof is made on: a few texts (German, English, code, numbers), a conversation through the chat template,
// and a prompt to continue. A model whose vocabulary lacks characters of them gets texts in its own language: problems
// of the tasks it was born on, or else rows of its characters, drawn with a fixed seed.

import { RandomStream } from '../engine/random.ts';
import type { TextSide } from '../models/language-model.ts';
import { tasks } from '../reasoning/tasks/index.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';

const common = [
  'The quick brown fox doesn\'t jump over 13 lazy dogs; it sits down, thinks, and writes: "E = mc² isn\'t everything." Then it looks out of the window, where the first snow of the year is falling on the roofs of the old town, and wonders how many flakes it takes until a street is white.',
  'Das Verwaltungsgericht prüft nicht, ob die Behörde zweckmäßig gehandelt hat, sondern nur, ob sie die Grenzen ihres Ermessens eingehalten hat (§ 114 VwGO). Über den Widerspruch wird innerhalb von drei Monaten entschieden; maßgeblich ist die Größe des Grundstücks.',
  'def mean(xs: list[float]) -> float:\n    """Average of xs, 0.0 when empty."""\n    return sum(xs) / len(xs) if xs else 0.0\n\n\nprint(f"{mean([1, 2.5, 1e-3]):.3f}")\t# → 1.167\n',
  'Naïve café, 12.345,67 €, 2026-11-25T08:15:00Z, 漢字かな, Привет, 🙂🚀, a  b   c\r\n\r\n- [x] done\n- [ ] to do\n',
];

export interface ProofTexts {
  readonly texts: readonly string[];
  /** Rendered by the template with the opening of the answer; null without a template, or where it refuses every conversation. */
  readonly conversation: string | null;
  readonly messages: readonly ChatMessage[];
  readonly language: 'common' | 'tasks' | 'own characters';
}

export function proofTexts(side: TextSide): ProofTexts {
  const speaks = (text: string): boolean => side.tokenizer.decode(side.tokenizer.encode(text)) === text;
  let texts = common.filter(speaks), language: ProofTexts['language'] = 'common';
  if (texts.length < common.length) {
    const problems = tasks.flatMap((task, i) => (['en', 'de'] as const).map((l) => task.generate({ seed: 11, index: i, difficulty: task.defaultDifficulty, language: l, split: 'test' }).prompt)).filter(speaks);
    texts = problems.length >= 4 ? [problems.join(''), ...problems] : Array.from({ length: 4 }, (_, i) => ownCharacters(side, i));
    language = problems.length >= 4 ? 'tasks' : 'own characters';
  }
  const question = language === 'common' ? 'What is the capital of France?' : texts.at(-1)!.slice(0, language === 'tasks' ? undefined : 40);
  const messages: ChatMessage[] = [{ role: 'user', content: question }];
  let conversation: string | null = null;
  try { conversation = side.template?.render(messages, { addGenerationPrompt: true }) ?? null; } catch { /* some templates want a system message */ }
  return { texts, conversation, messages, language };
}

function ownCharacters({ tokenizer }: TextSide, stream: number): string {
  const characters = Array.from({ length: tokenizer.vocabSize }, (_, id) => tokenizer.idToToken(id) ?? '')
    .filter((t, id) => [...t].length === 1 && !tokenizer.specialIds.has(id) && !Object.values(tokenizer.specialTokens).includes(id) && tokenizer.decode(tokenizer.encode(t)) === t);
  const random = new RandomStream(11, stream);
  return characters.length === 0 ? '' : Array.from({ length: 96 }, () => characters[random.integer(0, characters.length - 1)]!).join('');
}
