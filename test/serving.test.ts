// The server as a process, with a small model that thinks (test/fixtures/thinker): what clients read, what they may get wrong,
// and that nobody who leaves, waits or is told to stop harms another.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { tiefsuche } from './interrupted-run.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)), home = temporaryHome();

interface Running { readonly url: string; readonly child: ChildProcess; readonly err: () => string }

/** Starts `tiefsuche serve small ARGS`, ready when it prints its line. */
async function start(args: readonly string[] = []): Promise<Running> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, 'serve', 'small', '--port', '0', '--json', ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TIEFSUCHE_HOME: home } });
  let err = '';
  child.stderr!.on('data', (d) => { err += String(d); });
  for await (const line of createInterface({ input: child.stdout! })) return { url: (JSON.parse(line) as { url: string }).url, child, err: () => err };
  throw new Error(`the server did not start: ${err}`);
}

async function stop({ child }: Running): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  child.kill('SIGTERM');
  return ((await once(child, 'exit')) as [number | null])[0];
}

let server: Running, client: OpenAI;
const messages = [{ role: 'user' as const, content: 'Today is Friday. Which weekday is it in 62 days?' }];
const ask = { model: 'small', messages, temperature: 0 };

interface Raw { status: number; headers: Headers; body: { error?: { message: string; type: string; param: string | null; code: string } } & Record<string, unknown> }
async function post(body: unknown, { url = server.url, headers = {} }: { url?: string; headers?: Record<string, string> } = {}): Promise<Raw> {
  const raw = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
  const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: raw as string });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Raw['body'] };
}

type Choice = { index: number; finish_reason: string; cut_short?: string; message: { content: string; reasoning_content?: string; reasoning?: string }; thinking: { ended: string | null; tokens: number }; timings: Record<string, number>; energy: { joules: number; grade: string; method: string } };
const choiceOf = (raw: Raw): Choice => (raw.body['choices'] as Choice[])[0]!;
const usageOf = (raw: Raw) => raw.body['usage'] as { prompt_tokens: number; completion_tokens: number; total_tokens: number; prompt_tokens_details: { cached_tokens: number }; completion_tokens_details: { reasoning_tokens: number } };

before(async () => {
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  server = await start();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
after(async () => { assert.equal(await stop(server), 0, server.err()); assert.equal(server.err(), ''); });

test('the openai client: an answer, its thinking apart, usage, timings, energy', async () => {
  const answer = await client.chat.completions.create(ask), choice = answer.choices[0]! as unknown as Choice;
  assert.equal(choice.finish_reason, 'stop');
  assert.ok(choice.message.content.length > 0 && !/<\/?think>/.test(choice.message.content));
  assert.ok(choice.message.reasoning_content!.length > 0 && !/<\/?think>/.test(choice.message.reasoning_content!));
  assert.equal(choice.message.reasoning, choice.message.reasoning_content);
  assert.equal(choice.thinking.ended, 'natural');
  const usage = answer.usage!, reasoning = usage.completion_tokens_details!.reasoning_tokens!;
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  assert.ok(reasoning > 2 && reasoning < usage.completion_tokens - 1);
  assert.equal(choice.thinking.tokens, reasoning);
  assert.ok(choice.timings['predicted_per_second']! > 0 && choice.timings['prompt_ms']! >= 0);
  assert.ok(choice.energy.joules > 0);
  assert.match(choice.energy.grade, /estimated|measured/);
  const raw = await post({ ...ask, reasoning_format: 'none' });
  assert.equal(choiceOf(raw).message.content, `<think>${choice.message.reasoning_content}</think>${choice.message.content}`);
  assert.equal(choiceOf(raw).message.reasoning_content, undefined);
});

test('the openai client: a stream gives the same, and ends with finish_reason, usage and [DONE]', async () => {
  const whole = await client.chat.completions.create(ask);
  let thinking = '', content = '', finish: string | null = null, usage: OpenAI.CompletionUsage | undefined;
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
    assert.equal(finish !== null, chunk.choices.length === 0, 'usage comes last, alone');
    const [choice] = chunk.choices, delta = choice?.delta as { content?: string; reasoning_content?: string; reasoning?: string } | undefined;
    assert.equal(delta?.reasoning, delta?.reasoning_content);
    thinking += delta?.reasoning_content ?? '';
    content += delta?.content ?? '';
    finish = choice?.finish_reason ?? finish;
    usage = chunk.usage ?? undefined;
  }
  const message = whole.choices[0]!.message as unknown as Choice['message'];
  assert.deepEqual({ thinking, content, finish }, { thinking: message.reasoning_content, content: message.content, finish: 'stop' });
  assert.equal(usage?.completion_tokens, whole.usage!.completion_tokens);
  const text = await (await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ ...ask, stream: true }) })).text();
  assert.match(text, /^data: \{.*\n\n[^]*data: \[DONE\]\n\n$/);
  assert.doesNotMatch(text, /"usage"/);
  const helped = await client.chat.completions.stream(ask).finalChatCompletion();
  assert.equal(helped.choices[0]!.message.content, content);
});

test('the AI SDK: thinking and answer, whole and streamed', async () => {
  const model = createOpenAICompatible({ name: 'tiefsuche', baseURL: `${server.url}/v1` })('small');
  const whole = await generateText({ model, messages, temperature: 0 });
  assert.ok(whole.text.length > 0 && whole.reasoningText!.length > 0);
  assert.equal(whole.finishReason, 'stop');
  const stream = streamText({ model, messages, temperature: 0 });
  assert.equal(await stream.text, whole.text);
  assert.equal(await stream.reasoningText, whole.reasoningText);
});

test('thinking is obeyed: off, a budget, effort; contradictions are refused', async () => {
  for (const off of [{ think: false }, { reasoning_effort: 'none' }, { chat_template_kwargs: { enable_thinking: false } }, { thinking_budget: 0 }]) {
    const raw = await post({ ...ask, ...off });
    assert.deepEqual([choiceOf(raw).message.reasoning_content, choiceOf(raw).thinking, usageOf(raw).completion_tokens_details.reasoning_tokens], [undefined, { ended: null, tokens: 0 }, 0], JSON.stringify(off));
    assert.ok(choiceOf(raw).message.content.length > 0);
  }
  const unopened = choiceOf(await post({ ...ask, messages: [{ role: 'user', content: 'What weekday is 3 days after Monday?' }] }));
  assert.doesNotMatch(unopened.message.content, /think/, 'a closing tag the model never opened is no part of an answer');
  const opened = choiceOf(await post({ ...ask, think: true, messages: [{ role: 'user', content: 'What weekday is 3 days after Monday?' }] }));
  assert.deepEqual([opened.thinking.ended, opened.thinking.tokens > 0], ['natural', true], 'asked to, it begins inside a thought');
  for (const budget of [1, 4, 9]) {
    const raw = await post({ ...ask, thinking_budget: budget }), { message, thinking } = choiceOf(raw);
    assert.equal(thinking.ended, 'budget');
    assert.equal(thinking.tokens, budget + 1, 'the budget, and the closing tag');
    assert.ok(message.content.length > 0 && !message.content.includes('think'), 'the answer still comes');
  }
  assert.equal(choiceOf(await post({ ...ask, thinking_budget: 500 })).thinking.ended, 'natural');
  assert.equal(choiceOf(await post({ ...ask, reasoning_effort: 'minimal', max_completion_tokens: 8 })).thinking.ended, 'budget', 'half of the longest answer');
  assert.equal(choiceOf(await post({ ...ask, max_completion_tokens: 5 })).thinking.ended, 'length');
  for (const [fields, param] of [[{ think: false, reasoning_effort: 'high' }, 'reasoning_effort'], [{ think: true, thinking_budget: 0 }, 'thinking_budget'], [{ think: true, chat_template_kwargs: { enable_thinking: false } }, 'chat_template_kwargs.enable_thinking']] as const) {
    const { status, body } = await post({ ...ask, ...fields });
    assert.deepEqual([status, body.error!.code, body.error!.param], [400, 'contradiction', param]);
  }
});

test('history: thinking under any of its names is the same conversation', async () => {
  const { message } = choiceOf(await post(ask)), more = { role: 'user', content: 'Today is Sunday. Which weekday is it in 9 days?' };
  const counts = await Promise.all(['reasoning_content', 'reasoning', 'thinking'].map(async (name) =>
    usageOf(await post({ ...ask, max_completion_tokens: 3, messages: [...messages, { role: 'assistant', content: message.content, [name]: message.reasoning_content }, more] })).prompt_tokens));
  const without = usageOf(await post({ ...ask, max_completion_tokens: 3, messages: [...messages, { role: 'assistant', content: [{ type: 'text', text: message.content }] }, more] })).prompt_tokens;
  assert.ok(counts.every((n) => n === counts[0] && n > without), `${counts} and ${without}`);
});

test('seed, n, stop, lengths, logprobs, bias', async () => {
  const draw = async (seed: number, n = 1): Promise<Choice[]> => (await post({ ...ask, temperature: 1.5, top_p: 0.95, top_k: 20, min_p: 0.01, seed, n })).body['choices'] as Choice[];
  const [one, same, other] = [await draw(5, 3), await draw(5, 3), await draw(6)];
  const texts = (choices: Choice[]): string[] => choices.map((c) => `${c.message.reasoning_content}|${c.message.content}`);
  assert.deepEqual(texts(one), texts(same));
  assert.deepEqual(one.map((c) => c.index), [0, 1, 2]);
  assert.notEqual(texts(one)[0], texts(one)[1]);
  assert.notEqual(texts(one)[0], texts(other)[0]);
  assert.equal(texts(await draw(5))[0], texts(one)[0], 'the first choice does not depend on how many there are');

  const content = choiceOf(await post(ask)).message.content, cut = content.slice(1, 3);
  const stopped = choiceOf(await post({ ...ask, stop: [cut] }));
  assert.deepEqual([stopped.message.content, stopped.finish_reason], [content.slice(0, content.indexOf(cut)), 'stop']);
  const short = await post({ ...ask, max_tokens: 4 });
  assert.deepEqual([choiceOf(short).finish_reason, usageOf(short).completion_tokens], ['length', 4]);

  const { choices: [told] } = await client.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 3 });
  const entries = told!.logprobs!.content!;
  assert.equal(entries.map((e) => Buffer.from(e.bytes!).toString()).join(''), content);
  for (const { logprob, top_logprobs: top } of entries) {
    assert.equal(top.length, 3);
    assert.equal(logprob, top[0]!.logprob, 'at temperature 0 the best is taken');
    assert.ok(top[0]!.logprob >= top[1]!.logprob && logprob <= 0);
  }
  const every = await post({ ...ask, logit_bias: { 0: 100 }, max_completion_tokens: 3 });
  assert.match(choiceOf(every).message.content, /^(<\|pad\|>){3}$/);
});

test('a conversation that is too long: refused with both numbers, or without its oldest turns where that is asked for', async () => {
  const turn = { role: 'user' as const, content: 'Today is Friday. Which weekday is it in 62 days?' }, reply = { role: 'assistant' as const, content: 'Thursday' };
  const long = [...Array.from({ length: 40 }, () => [turn, reply]).flat(), turn], refused = await post({ ...ask, messages: long });
  assert.deepEqual([refused.status, refused.body.error!.code], [400, 'context_length_exceeded']);
  assert.match(refused.body.error!.message, /320 tokens and the prompt has \d+/);
  const cut = await post({ ...ask, messages: long, truncation: 'auto' }), { messages: left } = cut.body['truncated'] as { messages: number };
  assert.ok(cut.status === 200 && left > 2 && left % 2 === 0 && usageOf(cut).prompt_tokens <= 240, `${left} of ${long.length}, ${usageOf(cut).prompt_tokens} tokens`);
  assert.equal((await post({ ...ask, truncation: 'auto' })).body['truncated'], undefined, 'what fits is whole');
  assert.equal((await post({ ...ask, truncation: 'auto', messages: [{ role: 'user', content: 'Monday '.repeat(400) }] })).body.error!.code, 'context_length_exceeded', 'the last question is never cut');
  await assert.rejects(client.embeddings.create({ model: 'small', input: 'x' }), (e) => e instanceof OpenAI.BadRequestError && e.code === 'unsupported' && e.param === 'model');
});

test('what is wrong with a request is said in OpenAI\'s shape, and the next one works', async () => {
  const values = (k: number): string[] => Array.from({ length: 1000 }, (_, i) => `${k} ${i} ${'x'.repeat(30)}`);
  const cases: [what: string, body: unknown, status: number, code: string, param: string | null][] = [
    ['no JSON', '{"model": ', 400, 'invalid_json', null],
    ['NaN', '{"model": "small", "messages": [], "temperature": NaN}', 400, 'invalid_json', null],
    ['no UTF-8', Uint8Array.from([0x22, 0xff, 0xfe, 0x22]), 400, 'invalid_utf8', null],
    ['a list', [], 400, 'invalid_type', null],
    ['no messages', { model: 'small' }, 400, 'invalid_type', 'messages'],
    ['empty messages', { model: 'small', messages: [] }, 400, 'invalid_value', 'messages'],
    ['unknown role', { model: 'small', messages: [{ role: 'wizard', content: 'x' }] }, 400, 'invalid_value', 'messages[0].role'],
    ['wrong type', { ...ask, temperature: 'hot' }, 400, 'invalid_type', 'temperature'],
    ['negative number', { ...ask, temperature: -1 }, 400, 'invalid_value', 'temperature'],
    ['unknown model', { ...ask, model: 'gpt-9' }, 404, 'model_not_found', 'model'],
    ['unknown field', { ...ask, tempratur: 1 }, 400, 'unknown_field', 'tempratur'],
    ['unknown field in a message', { ...ask, messages: [{ role: 'user', content: 'x', colour: 1 }] }, 400, 'unknown_field', 'messages[0].colour'],
    ['an image', { ...ask, messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] }, 400, 'invalid_value', 'messages[0].content[0].type'],
    ['tools', { ...ask, tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'nonsense' } } }] }, 400, 'invalid_value', 'tools[0].function.parameters.type'],
    ['structured output', { ...ask, response_format: { type: 'json_object' } }, 400, 'unsupported', 'response_format'],
    ['lists that are too long together', { ...ask, response_format: { type: 'json_schema', json_schema: { schema: { anyOf: [1, 2, 3].map((k) => ({ enum: values(k) })) } } } }, 400, 'unsupported_schema', 'response_format.json_schema.schema.anyOf[2]'],
    ['lists of several functions', { ...ask, tools: [1, 2, 3].map((k) => ({ type: 'function', function: { name: `f${k}`, strict: true, parameters: { type: 'object', properties: { x: { enum: values(k) } } } } })) }, 400, 'unsupported_schema', 'tools[2].function.parameters.properties.x'],
    ['a bias for a token that is none', { ...ask, logit_bias: { 999999999: 1 } }, 400, 'invalid_input', 'logit_bias'],
    ['top_logprobs alone', { ...ask, top_logprobs: 2 }, 400, 'contradiction', 'top_logprobs'],
    ['two lengths', { ...ask, max_tokens: 1, max_completion_tokens: 2 }, 400, 'contradiction', 'max_tokens'],
    ['a template variable nested too deeply', `{"model": "small", "messages": ${JSON.stringify(messages)}, "n": 4, "chat_template_kwargs": {"x": ${'['.repeat(20_000)}${']'.repeat(20_000)}}}`, 400, 'invalid_value', null],
    ['arguments nested too deeply', { ...ask, messages: [...messages, { role: 'assistant', content: '', tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: '['.repeat(9000) + ']'.repeat(9000) } }] }] }, 400, 'invalid_value', 'messages'],
    ['10 MB', { ...ask, messages: [{ role: 'user', content: 'a'.repeat(10_000_000) }] }, 413, 'request_too_large', null],
  ];
  for (const [what, body, status, code, param] of cases) {
    const answer = await post(body);
    assert.deepEqual([answer.status, answer.body.error?.code, answer.body.error?.param], [status, code, param], `${what}: ${JSON.stringify(answer.body)}`);
    assert.ok(answer.body.error!.message.length > 10 && answer.body.error!.type === 'invalid_request_error');
  }
  const long = await post({ ...ask, messages: [{ role: 'user', content: 'Monday '.repeat(400) }] });
  assert.deepEqual([long.status, long.body.error!.code], [400, 'context_length_exceeded']);
  assert.match(long.body.error!.message, /takes 320 tokens and the prompt has \d{3,}/);
  await assert.rejects(client.chat.completions.create({ ...ask, model: 'none' }), (e) => e instanceof OpenAI.NotFoundError && e.code === 'model_not_found' && /served: small/.test(e.message));
  await assert.rejects(client.responses.create({ model: 'small', input: 'x' }), (e) => e instanceof OpenAI.NotFoundError && /chat\/completions/.test(e.message));
  assert.equal((await post(ask, { headers: { 'Content-Type': 'text/plain' } })).status, 415);
  assert.equal((await fetch(`${server.url}/v1/chat/completions`)).status, 405);
  assert.equal((await post(ask)).status, 200);
  assert.equal(await pending(server.url), 0);
});

/** A request with headers that fetch does not let one set. */
function rawGet(path: string, headers: Record<string, string>): Promise<{ status: number; headers: NodeJS.Dict<string | string[]> }> {
  return new Promise((resolve, reject) => {
    httpRequest(`${server.url}${path}`, { headers }, (answer) => { answer.resume(); answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers })); }).on('error', reject).end();
  });
}

test('only this machine: Host is checked, and pages of others get nothing', async () => {
  const { host } = new URL(server.url), port = host.split(':')[1];
  assert.equal((await rawGet('/health', { Host: `evil.example:${port}` })).status, 403);
  assert.equal((await rawGet('/health', { Host: `localhost:${port}` })).status, 200);
  assert.equal((await rawGet('/v1/models', { Host: host, Origin: 'https://evil.example' })).status, 403);
  assert.equal((await rawGet('/v1/models', { Host: host, Origin: 'null' })).status, 403);
  const own = await rawGet('/v1/models', { Host: host, Origin: server.url });
  assert.equal(own.status, 200);
  assert.equal(own.headers['access-control-allow-origin'], undefined);
  const refused = await tiefsuche(['serve', 'small', '--host', '0.0.0.0', '--json'], home);
  assert.equal(refused.status, 2);
  assert.match(refused.err, /does not listen on 0\.0\.0\.0.*no users/);
  assert.match((await tiefsuche(['serve', 'small', '--port', port!, '--json'], home)).err, /is in use/);
});

test('models, health, metrics and the OpenAPI document', async () => {
  const get = async (path: string): Promise<unknown> => (await fetch(server.url + path)).json();
  assert.deepEqual(await get('/health'), { status: 'ok' });
  const [model] = (await client.models.list()).data as unknown as Record<string, unknown>[];
  assert.deepEqual([model!['id'], model!['engine'], model!['context'], model!['thinks'], model!['architecture']], ['small', 'tiefsuche', 320, true, 'llama']);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /tiefsuche_tokens_total\{model="small",kind="reasoning"\} [1-9]/);
  assert.match(metrics, /tiefsuche_choices_pending\{model="small"\} 0/);
  assert.match(metrics, /tiefsuche_http_requests_total\{route="\/v1\/chat\/completions",status="400"\} [1-9]/);
  assert.match(metrics, /tiefsuche_energy_joules_total\{model="small",method="[\w-]+"\} [\d.]+/);
  const openapi = (await get('/openapi.json')) as { openapi: string; paths: Record<string, unknown>; components: { schemas: Record<string, { properties: Record<string, unknown> }> } };
  assert.equal(openapi.openapi, '3.1.0');
  for (const path of ['/api/session', '/api/session/password', '/api/runs/{name}/metrics', '/api/chats/{id}', '/health', '/metrics', '/openapi.json', '/v1/chat/completions', '/v1/models']) assert.ok(path in openapi.paths, path);
  assert.ok('thinking_budget' in openapi.components.schemas['ChatCompletionRequest']!.properties);
  const references = JSON.stringify(openapi).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g);
  for (const [, name] of references) assert.ok(name! in openapi.components.schemas, name);
});

/** Makes the answer go on until its limit: the ends are as good as forbidden. */
const endless = { ...ask, logit_bias: { 4: -100 }, think: false, stream: true };
const pending = async (url: string): Promise<number> => Number(/tiefsuche_choices_pending\{model="small"\} (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())![1]);

test('a full queue says when to come again; a client that leaves frees its slot; a time limit ends with what there is', async () => {
  const small = await start(['--slots', '1', '--max-queue', '1', '--time-limit', '1']);
  try {
    const slow = { ...endless, n: 1 };
    // Whoever holds the slot is read to its end here, so that the others meet a busy server.
    const burst = await Promise.all(Array.from({ length: 6 }, () => post({ ...slow, stream: false }, { url: small.url })));
    const statuses = burst.map((a) => a.status).sort();
    assert.deepEqual(statuses.filter((s) => s !== 200 && s !== 429), []);
    assert.ok(statuses.includes(200) && statuses.includes(429), `${statuses}`);
    const told = burst.find((a) => a.status === 429)!;
    assert.equal(told.body.error!.type, 'rate_limit_error');
    assert.ok(Number(told.headers.get('retry-after')) >= 1);

    for (let i = 0; i < 5; i++) {
      const aborter = new AbortController();
      const answer = await fetch(`${small.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(slow), signal: aborter.signal });
      await answer.body!.getReader().read();
      aborter.abort();
    }
    const whole = new AbortController(), given = fetch(`${small.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ ...slow, stream: false }), signal: whole.signal });
    setTimeout(() => whole.abort(), 20);
    await assert.rejects(given);
    const socket = connect(Number(new URL(small.url).port), '127.0.0.1');
    socket.end('POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"model"');
    for (let i = 0; i < 50 && await pending(small.url) > 0; i++) await new Promise((r) => { setTimeout(r, 10); });
    assert.equal(await pending(small.url), 0);
    assert.equal((await post(ask, { url: small.url })).status, 200);
  } finally {
    assert.equal(await stop(small), 0);
    assert.equal(small.err(), '');
  }
});

test('SIGTERM ends open streams with what they have, then the process', async () => {
  const stopping = await start(['--grace', '0']);
  const answers = await Promise.all(Array.from({ length: 4 }, () => fetch(`${stopping.url}/v1/chat/completions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(endless) })));
  const texts = answers.map((a) => a.text()), begun = Date.now();
  assert.equal(await stop(stopping), 0);
  assert.ok(Date.now() - begun < 5000);
  for (const text of await Promise.all(texts)) {
    assert.match(text, /data: \[DONE\]\n\n$/);
    assert.match(text, /"finish_reason":"length"/);
  }
  assert.equal(stopping.err(), '');
});

test('the count of a conversation: what its prompt has; of what is far too long, reckoned from a part', async () => {
  const count = async (content: string): Promise<{ tokens: number; context: number; estimated: boolean }> => (await (await fetch(`${server.url}/api/count`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ model: 'small', messages: [{ role: 'user', content }] }) })).json()) as never;
  const { tokens, context, estimated } = await count(messages[0]!.content);
  assert.deepEqual([tokens, estimated], [usageOf(await post(ask)).prompt_tokens, false]);
  const line = 'Today is Friday. ', short = await count(line.repeat(40)), long = await count(line.repeat(100_000));
  assert.ok(!short.estimated && long.estimated && context === 320);
  assert.ok(Math.abs(long.tokens / (short.tokens * 2500) - 1) < 0.05, `${long.tokens} beside ${short.tokens}`);
});
