// llama.cpp behind the same interface: on a GGUF file that both engines read, the same words, thoughts, schemas and calls.
// It is fetched, never committed: without it these tests are skipped on a developer's machine and fail in CI.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { exportGguf } from '../src/models/export-gguf.ts';
import { openExportSource } from '../src/models/export-source.ts';
import { type Running, killServers, qwenTemplate, startServer, stopServer, writeRandomModel } from './serving-process.ts';

const installed = existsSync(fileURLToPath(new URL('../engines/llama/node_modules/node-llama-cpp', import.meta.url)));
const needsLlama = { skip: installed || process.env['CI'] ? false : 'llama.cpp is missing; get it with: npm run setup && node bin/tiefsuche.js engine install llama' } as const;

const servers: Running[] = [];
after(async () => { for (const server of servers) assert.equal(await stopServer(server), 0, server.err()); });

test('both engines say the same on one file, and /v1/models says which is which', needsLlama, async () => {
  const home = temporaryHome(), folder = join(home, 'models', 'qwen'), file = join(home, 'models', 'qwen.gguf');
  await writeRandomModel(folder, qwenTemplate, '<|im_end|>');
  const source = openExportSource(folder);
  await exportGguf(source, file, 'F32');
  source.close();
  process.env['TIEFSUCHE_THREADS'] = '1';
  const clients: OpenAI[] = [];
  for (const engine of ['tiefsuche', 'llama']) {
    const server = await startServer(home, [file], ['--engine', engine, '--precision', 'f32', '--slots', '2', '--context', '512']);
    servers.push(server);
    clients.push(new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 }));
  }
  const [ours, theirs] = clients as [OpenAI, OpenAI], both = async <T>(ask: (client: OpenAI) => Promise<T>): Promise<void> => assert.deepEqual(await ask(theirs), await ask(ours));
  const names = await Promise.all(clients.map(async (c) => ((await c.models.list()).data[0] as unknown as { engine: string }).engine));
  assert.deepEqual(names, ['tiefsuche', 'llama.cpp']);
  const base = { model: 'qwen.gguf', messages: [{ role: 'user' as const, content: 'How is the weather in Köln?' }], seed: 5 };
  const said = (answer: OpenAI.ChatCompletion): unknown => answer.choices.map(({ message, finish_reason }) => ({ content: message.content, thought: (message as unknown as { reasoning?: string }).reasoning, calls: message.tool_calls?.map((c) => 'function' in c && c.function), finish_reason }));
  await both(async (c) => said(await c.chat.completions.create({ ...base, max_completion_tokens: 24, n: 2 })));
  await both(async (c) => said(await c.chat.completions.create({ ...base, temperature: 0, max_completion_tokens: 12 })));
  await both(async (c) => said(await c.chat.completions.create({ ...base, max_completion_tokens: 60, ...{ think: true, thinking_budget: 8 }, response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object', properties: { city: { type: 'string', maxLength: 6 } }, required: ['city'] } } } })));
  await both(async (c) => said(await c.chat.completions.create({ ...base, tool_choice: 'required', parallel_tool_calls: false, tools: [{ type: 'function', function: { name: 'clock', parameters: { type: 'object', properties: { zone: { enum: ['UTC', 'CET'] } }, required: ['zone'] } } }] })));
  await both(async (c) => (await c.chat.completions.create({ ...base, max_completion_tokens: 4, temperature: 0, logprobs: true, top_logprobs: 2 })).choices[0]!.logprobs!.content!.map((e) => [e.token, e.top_logprobs.map((t) => t.token), Math.round(e.logprob * 100)]));
  // The second turn finds the first in the cache.
  const first = await theirs.chat.completions.create({ ...base, max_completion_tokens: 2 }), again = await theirs.chat.completions.create({ ...base, max_completion_tokens: 2 });
  assert.equal(again.choices[0]!.message.content, first.choices[0]!.message.content);
  assert.ok(again.usage!.prompt_tokens_details!.cached_tokens! > 5);
});

test('a GGUF file of a kind that only llama.cpp may read is taken onto the shelf, and what llama.cpp says of it is told', needsLlama, async () => {
  const server = servers[1]!, file = join(temporaryHome(), 'qwen.gguf'), folder = join(temporaryHome(), 'qwen');
  await writeRandomModel(folder, qwenTemplate, '<|im_end|>');
  const source = openExportSource(folder);
  await exportGguf(source, file, 'F32');
  source.close();
  // Another architecture by name, of the same length; llama.cpp knows it, and misses its biases.
  const renamed = Buffer.from(readFileSync(file).toString('latin1').replaceAll('llama.', 'orion.').replace(/(general\.architecture[\s\S]{12})llama/, '$1orion'), 'latin1');
  const added = await fetch(`${server.url}/api/models/orion.gguf`, { method: 'PUT', body: renamed });
  assert.equal(added.status, 200, await added.text());
  const shelf = async (): Promise<Record<string, unknown>> => ((await (await fetch(`${server.url}/api/models`)).json()) as { models: Record<string, unknown>[] }).models.find((m) => m['id'] === 'orion.gguf')!;
  const there = await shelf();
  assert.deepEqual([there['state'], there['type'], there['context'], there['bytes']], ['here', 'orion', 2048, renamed.length]);
  const load = await fetch(`${server.url}/api/models/orion.gguf/load`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
  await load.text();
  for (let i = 0; i < 300 && (await shelf())['state'] === 'loading'; i++) await new Promise((r) => { setTimeout(r, 50); });
  assert.equal((await shelf())['state'], 'failed');
});

after(killServers);
