// A model whose template opens its thought (DeepSeek R1's) is measured, trained and talked to as one that opens it itself:
// the same weights, with both templates, must come to the same.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../engine/backends/open.ts';
import { Arena } from '../engine/program.ts';
import { type LanguageModel, openLanguageModel } from '../models/language-model.ts';
import { Answerer } from '../reasoning/generate.ts';
import { demonstration, drawFrom, problemPrompt } from '../reasoning/problems.ts';
import { Rollout } from '../reasoning/rollout.ts';
import { noThinking, thinkOpen } from '../reasoning/thinking.ts';
import { opensThought, tagsOf, thinks } from '../reasoning/thinking-models.ts';
import { compileChatTemplate } from '../tokenizer/chat-template.ts';
import { fileTask } from './file-task.ts';
import { taskAccuracy } from '../evaluation/task-accuracy.ts';

const backend = openBackend();
const own = openLanguageModel(backend, fileURLToPath(new URL('../../test/fixtures/thinker', import.meta.url)));
const chatTemplate = own.chatTemplate!.replace("{{ '<|assistant|>' }}{% endif %}", `{{ '<|assistant|>${thinkOpen}' }}{% endif %}`);
const opened: LanguageModel = { ...own, chatTemplate, template: compileChatTemplate(chatTemplate) };
const mix = { tasks: [{ task: 'calendar', difficulty: 1, weight: 1 }], languages: ['en' as const] };
after(() => { own.model.close(); backend.close(); });

test('templates that open the thought are known', () => {
  assert.deepEqual([opensThought(own), opensThought(opened), thinks(own), thinks(opened)], [false, true, true, true]);
  assert.equal(opensThought({ template: null, chatTemplate: undefined }), false);
  const folder = fileURLToPath(new URL('../../test/data/chat-templates/', import.meta.url)), of = (name: string): string => tagsOf({ chatTemplate: readFileSync(join(folder, `${name}.jinja`), 'utf8') }).open;
  assert.deepEqual(['openai-gpt-oss-120b', 'ByteDance-Seed-OSS', 'mistralai-Ministral-3-14B-Reasoning-2512', 'GLM-4.6', 'HuggingFaceTB-SmolLM3-3B'].map(of), ['<|channel|>analysis<|message|>', '<seed:think>', '[THINK]', '<think>', '<think>']);
});

test('accuracy, thoughts and the control without thinking are the same either way', async () => {
  const arena = new Arena(backend), rollout = new Rollout(own.model, arena, { maxRows: 12, maxTokens: 160 });
  try {
    for (const withoutThinking of [false, true]) {
      const [a, b] = [await taskAccuracy(own, rollout, mix, { n: 12, seed: 5, maxNew: 96, withoutThinking }), await taskAccuracy(opened, rollout, mix, { n: 12, seed: 5, maxNew: 96, withoutThinking })];
      assert.deepEqual(b[0]!.answers.map(({ thinking, content, right }) => [thinking, content, right]), a[0]!.answers.map(({ thinking, content, right }) => [thinking, content, right]));
      if (!withoutThinking) assert.ok(a[0]!.accuracy > 0 && a[0]!.answers.every(({ thinking }) => thinking !== ''), `the model solves some: ${a[0]!.accuracy}`);
    }
  } finally { rollout.close(); arena.close(); }
});

test('an answer in the chat shows the same thought', async () => {
  const said = async (language: LanguageModel): Promise<[string, string, string]> => {
    const answerer = new Answerer(language);
    let streamed = '';
    try {
      const { thinking, content } = await answerer.answer([{ role: 'user', content: drawFrom(mix, 0, 5, 0, 'test').problem.prompt }], { maxTokens: 96, sampler: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }, onText: (piece) => { streamed += piece.thinking; } });
      return [thinking, content, streamed];
    } finally { answerer.close(); }
  };
  const [a, b] = [await said(own), await said(opened)];
  assert.deepEqual(b, a);
  assert.ok(a[0] !== '' && a[2] === a[0]);
});

test('demonstrations are the same ids; where a task does not think, the thought the template opened is closed at once', async () => {
  const [a, b] = [own, opened].map((side) => demonstration(side, drawFrom(mix, 0, 7, 3, 'train')));
  assert.deepEqual([...b!.ids], [...a!.ids]);
  assert.equal(b!.from, a!.from + 1, 'what the template writes is not trained');
  const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-thinking-'));
  try {
    writeFileSync(join(folder, 'a.jsonl'), `${JSON.stringify({ messages: [{ role: 'user', content: '2+2?' }, { role: 'assistant', content: '4' }], tools: [{ type: 'function', function: { name: 'Monday' } }] })}\n`);
    const source = await fileTask({ task: 'sums', file: 'a.jsonl' }, folder), drawn = drawFrom({ tasks: [{ task: 'sums', weight: 1, source }], languages: ['en'] }, 0, 1, 0, 'train');
    const { ids, from } = demonstration(opened, drawn);
    assert.equal(opened.tokenizer.decode(ids.subarray(from - 1)), `${noThinking()}4<|end|>`);
    const listing = compileChatTemplate("{% for tool in tools %}{{ tool['function']['name'] }}{% endfor %}");
    assert.equal(own.tokenizer.decode(problemPrompt({ ...own, template: listing }, drawn.problem)), 'Monday', 'functions of a row are in its prompt');
  } finally { rmSync(folder, { recursive: true, force: true }); }
});
