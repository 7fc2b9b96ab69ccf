// The chat in the terminal: thinking dimmed, then the answer. /think folds or unfolds the thoughts, /new forgets, /bye ends.
import { createInterface } from 'node:readline/promises';
import { openBackend } from '../engine/backends/open.ts';
import type { CacheType } from '../engine/cache-pages.ts';
import type { Precision } from '../models/compressed.ts';
import { openLanguageModel } from '../models/language-model.ts';
import { Answerer } from '../reasoning/generate.ts';
import { taskChatTemplate } from '../reasoning/task-tokenizer.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { resolveTalkingModel } from '../models/model-path.ts';
import { problemExamples, unknownCharacters } from './problem-examples.ts';
import type { Terminal } from './terminal.ts';

export interface TalkOptions { readonly temperature?: number; readonly maxTokens?: number; readonly seed?: number; readonly precision?: Precision; readonly cache?: CacheType; readonly adapter?: string }

export async function talk(name: string, terminal: Terminal, { temperature = 0, maxTokens = 512, seed = 0, precision = 'file', cache = 'f32', adapter }: TalkOptions = {}): Promise<void> {
  const { out } = terminal, backend = openBackend();
  const language = openLanguageModel(backend, resolveTalkingModel(name), { absorbed: true, precision, adapter }), answerer = new Answerer(language, { cache });
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: out.bold('> ') });
  let folded = false, cancelled = false, messages: ChatMessage[] = [], turn = 0;
  terminal.print(`${out.bold(name)} answers. You are talking to an AI system; it runs on this machine alone. ${out.dim('/think folds its thoughts, /new forgets, /bye ends.')}`);
  const examples = problemExamples(language, name), bornOnTasks = language.chatTemplate === taskChatTemplate;
  if (examples.length > 0) terminal.print(out.dim(`It learned only problems like these:\n${examples.map((e) => `  ${e}`).join('\n')}`));
  lines.on('SIGINT', () => { if (turn > 0 && !cancelled) cancelled = true; else lines.close(); });
  lines.prompt();
  for await (const line of lines) {
    const said = line.trim();
    if (said === '/bye' || said === '/exit' || said === '/quit') break;
    if (said === '/think') { folded = !folded; terminal.print(out.dim(folded ? 'thoughts are folded' : 'thoughts are shown')); }
    else if (said === '/new') { messages = []; terminal.print(out.dim('forgotten')); }
    else if (said !== '') {
      // A model born on single problems knows no conversations: each question stands alone.
      messages = bornOnTasks ? [{ role: 'user', content: said }] : [...messages, { role: 'user', content: said }];
      const unknown = unknownCharacters(language, said);
      if (unknown.length > 0) terminal.print(out.yellow(`  it knows only the words of its problems; it cannot read ${unknown.map((c) => `“${c}”`).join(' ')} here`));
      turn = 1; cancelled = false;
      let part: 'thinking' | 'content' | null = null, thoughts = 0;
      try {
        const { thinking, content, completion } = await answerer.answer(messages, {
          maxTokens, sampler: { temperature, topK: 0, topP: 1, minP: 0, seed: seed + messages.length }, cancel: { get cancelled() { return cancelled; } },
          onText: ({ thinking: t, content: c }) => {
            if (t !== '') { thoughts++; if (!folded) { process.stdout.write(out.dim(part === null ? `  ${t}` : t)); part = 'thinking'; } }
            if (c !== '') { if (part !== 'content') process.stdout.write(part === 'thinking' ? '\n' : ''); process.stdout.write(out.bold(c)); part = 'content'; }
          },
        });
        if (folded && thoughts > 0) process.stdout.write(out.dim(`  (${thinking.length} characters of thought, folded)`));
        if (completion.finish === 'length') process.stdout.write(out.yellow(` … cut off after ${completion.tokens.length} tokens`));
        process.stdout.write('\n');
        messages.push({ role: 'assistant', content, ...(thinking !== '' && { reasoning_content: thinking }) });
      } catch (error) {
        if (!cancelled) throw error;
        process.stdout.write(out.yellow(' (stopped)\n'));
      }
      turn = 0;
    }
    lines.prompt();
  }
  lines.close();
  answerer.close();
  language.model.close();
  backend.close();
}
