// JSON answers and function calls over HTTP, through the clients people use. The models have random weights: that their
// answers parse, satisfy the schema and name a function that exists is what the server promises.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { createDeepSeek } from '@ai-sdk/deepseek';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { Output, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { z } from 'zod';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { type Running, deepseekTemplate, killServers, mistralTemplate, qwenTemplate, specials, startServer, stopServer, writeRandomModel } from './serving-process.ts';

const home = temporaryHome(), folder = (name: string): string => join(home, 'models', name);
let server: Running, client: OpenAI;
const messages = [{ role: 'user' as const, content: 'What is the weather like?' }];

before(async () => {
  await writeRandomModel(folder('qwen'), qwenTemplate, '<|im_end|>');
  await writeRandomModel(folder('mistral'), mistralTemplate, '</s>', 2);
  await writeRandomModel(folder('deepseek'), deepseekTemplate, '<｜end▁of▁sentence｜>', 3);
  await writeRandomModel(folder('plain'), '{% for m in messages %}{{ m.content }}{% endfor %}', '</s>', 4);
  server = await startServer(home, ['qwen', 'mistral', 'deepseek', 'plain'].map(folder));
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
});
after(async () => { assert.equal(await stopServer(server), 0, server.err()); assert.equal(server.err(), ''); });

const person = z.strictObject({ name: z.string().max(12), age: z.int().min(0).max(130), kind: z.enum(['cat', 'dog']), scores: z.array(z.number().min(-1).max(1)).max(3) });
const schema = z.toJSONSchema(person) as Record<string, unknown>;
const format = { type: 'json_schema' as const, json_schema: { name: 'person', strict: true, schema } };

test('a schema: every answer satisfies it, hot or cold, with and without a thought, whole and streamed', async () => {
  for (const seed of [1, 2, 3]) {
    const { choices } = await client.chat.completions.create({ model: 'qwen', messages, seed, temperature: seed, n: 2, response_format: format, frequency_penalty: 0.5 });
    for (const { message, finish_reason } of choices) {
      assert.equal(finish_reason, 'stop');
      person.parse(JSON.parse(message.content!));
    }
  }
  const thought = await client.chat.completions.create({ model: 'qwen', messages, seed: 4, response_format: format, ...{ think: true, thinking_budget: 12 } });
  const { message } = thought.choices[0]! as unknown as { message: { content: string; reasoning_content: string } };
  person.parse(JSON.parse(message.content));
  assert.ok(message.reasoning_content.length > 0, 'thinking is free');
  assert.equal(thought.usage!.completion_tokens_details!.reasoning_tokens, 13);
  person.parse(JSON.parse((await client.chat.completions.create({ model: 'qwen', messages, seed: 5, response_format: format, ...{ think: false } })).choices[0]!.message.content!));

  let text = '';
  for await (const chunk of await client.chat.completions.create({ model: 'deepseek', messages, seed: 6, stream: true, response_format: format })) text += chunk.choices[0]?.delta.content ?? '';
  person.parse(JSON.parse(text));
  // Any object: what is cut off by the length is the beginning of one.
  const any = (await client.chat.completions.create({ model: 'mistral', messages, seed: 7, max_completion_tokens: 300, response_format: { type: 'json_object' } })).choices[0]!;
  if (any.finish_reason === 'stop') assert.equal(typeof JSON.parse(any.message.content!), 'object');
  else assert.match(any.message.content!, /^\s*\{/);
});

const weather = { type: 'function' as const, function: { name: 'weather', description: 'the weather', parameters: { type: 'object', properties: { city: { type: 'string', maxLength: 8 }, days: { type: 'integer', minimum: 1, maximum: 7 } }, required: ['city', 'days'], additionalProperties: false } } };
const clock = { type: 'function' as const, function: { name: 'clock', parameters: { type: 'object', properties: { zone: { enum: ['UTC', 'CET'] } }, required: ['zone'] } } };
const checkCall = ({ name, arguments: given }: { name: string; arguments: string }): void => {
  const value = JSON.parse(given) as { city: string; days: number; zone: string };
  if (name === 'weather') assert.ok([...value.city].length <= 8 && value.days >= 1 && value.days <= 7, given);
  else assert.ok(name === 'clock' && ['UTC', 'CET'].includes(value.zone), `${name} ${given}`);
};

test('function calls in three formats: required, named, and when the model begins one itself', async () => {
  const opening = { qwen: '<tool_call>', mistral: '[TOOL_CALLS]', deepseek: '<｜tool▁calls▁begin｜>' };
  for (const model of ['qwen', 'mistral', 'deepseek'] as const) {
    for (const [i, tool_choice] of (['required', { type: 'function', function: { name: 'clock' } }, 'auto'] as const).entries()) {
      // Opened by itself: the weights are noise, so the bias makes it want to.
      const bias = tool_choice === 'auto' ? { logit_bias: { [specials.indexOf(opening[model])]: 100 } } : {};
      const { choices: [choice] } = await client.chat.completions.create({ model, messages, seed: 10 + i, tools: [weather, clock], tool_choice, parallel_tool_calls: false, ...bias });
      assert.equal(choice!.finish_reason, 'tool_calls', `${model} ${JSON.stringify(tool_choice)} ${JSON.stringify(choice)}`);
      assert.deepEqual([choice!.message.tool_calls!.length, choice!.message.content], [1, null]);
      const [call] = choice!.message.tool_calls!;
      assert.ok(call!.type === 'function' && /^[a-z0-9]{9}$/.test(call!.id));
      checkCall(call!.function);
      if (typeof tool_choice === 'object') assert.equal(call!.function.name, 'clock');

      // The next turn reads the call and its result.
      const next = await client.chat.completions.create({ model, messages: [...messages, choice!.message, { role: 'tool', tool_call_id: call!.id, content: '"rain"' }], tools: [weather, clock], max_completion_tokens: 4, tool_choice: 'none' });
      assert.ok(next.usage!.prompt_tokens > 20);
    }
  }
  const several = await client.chat.completions.create({ model: 'qwen', messages, seed: 3, tools: [clock], max_completion_tokens: 150, logit_bias: { [specials.indexOf('<tool_call>')]: 100 } });
  assert.ok(several.choices[0]!.message.tool_calls!.length > 1, 'one after another');
});

test('function calls in a stream, and through the AI SDK', async () => {
  const stream = client.chat.completions.stream({ model: 'deepseek', messages, seed: 20, tools: [weather, clock], tool_choice: 'required', parallel_tool_calls: false });
  const { choices: [choice] } = await stream.finalChatCompletion();
  assert.equal(choice!.finish_reason, 'tool_calls');
  checkCall((choice!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall).function);

  const model = createOpenAICompatible({ name: 'tiefsuche', baseURL: `${server.url}/v1`, supportsStructuredOutputs: true })('qwen');
  const asked: unknown[] = [], tools = { weather: tool({ description: 'the weather', inputSchema: jsonSchema<{ city: string; days: number }>(weather.function.parameters as never), execute: (input) => { asked.push(input); return 'rain'; } }) };
  const called = await generateText({ model, messages, seed: 21, tools, toolChoice: 'required', stopWhen: stepCountIs(1) });
  assert.equal(called.finishReason, 'tool-calls');
  assert.deepEqual(asked[0], called.toolCalls[0]!.input);
  const streamed = streamText({ model, messages, seed: 22, tools, toolChoice: 'required', stopWhen: stepCountIs(1) });
  assert.equal((await streamed.toolCalls)[0]!.toolName, 'weather');
  const { output } = await generateText({ model, messages, seed: 23, output: Output.object({ schema: person }) });
  person.parse(output);

  const deepseek = createDeepSeek({ baseURL: `${server.url}/v1`, apiKey: 'none' })('deepseek');
  const said = await generateText({ model: deepseek, messages, seed: 24, maxOutputTokens: 6 });
  assert.equal(said.finishReason, 'length');
  checkCall(await generateText({ model: deepseek, messages, seed: 25, tools, toolChoice: 'required', stopWhen: stepCountIs(1) }).then(({ toolCalls: [c] }) => ({ name: c!.toolName, arguments: JSON.stringify(c!.input) })));
});

test('what cannot be promised is refused by its name', async () => {
  const refused = async (fields: object, code: string, param: string): Promise<void> => {
    await assert.rejects(client.chat.completions.create({ model: 'qwen', messages, ...fields }), (e) => e instanceof OpenAI.BadRequestError && e.code === code && e.param === param && e.message.length > 10, `${JSON.stringify(fields)}`);
  };
  const inFormat = (s: object) => ({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: s } } });
  await refused(inFormat({ type: 'object', properties: { a: { type: 'string', pattern: 'a+' } } }), 'unsupported_schema', 'response_format.json_schema.schema.properties.a.pattern');
  await refused(inFormat({ type: 'nonsense' }), 'invalid_value', 'response_format.json_schema.schema.type');
  await refused({ response_format: { type: 'xml' } }, 'invalid_value', 'response_format.type');
  await refused({ tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'nonsense' } } }] }, 'invalid_value', 'tools[0].function.parameters.type');
  await refused({ tools: [{ type: 'function', function: { name: 'f', strict: true, parameters: { type: 'object', properties: { a: { format: 'date' } } } } }] }, 'unsupported_schema', 'tools[0].function.parameters.properties.a.format');
  await refused({ tools: [clock, clock] }, 'invalid_value', 'tools[1].function.name');
  await refused({ tools: [clock], tool_choice: { type: 'function', function: { name: 'weather' } } }, 'contradiction', 'tool_choice');
  await refused({ tool_choice: 'required' }, 'contradiction', 'tool_choice');
  await refused({ model: 'plain', tools: [clock] }, 'unsupported', 'tools');
  await refused({ response_format: { type: 'json_object' }, reasoning_format: 'none' }, 'contradiction', 'reasoning_format');
  await refused({ messages: [...messages, { role: 'assistant', tool_calls: [{ id: 'a', type: 'function', function: { name: 'clock', arguments: '{' } }] }] }, 'invalid_value', 'messages');
  // A keyword we do not know, where no promise was asked for: the arguments are some object.
  const lenient = await client.chat.completions.create({ model: 'qwen', messages, seed: 30, max_completion_tokens: 400, tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: { a: { type: 'string', format: 'date' } } } } }], tool_choice: 'required', parallel_tool_calls: false });
  if (lenient.choices[0]!.finish_reason === 'tool_calls') assert.equal(typeof JSON.parse((lenient.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall).function.arguments), 'object');
});

after(killServers);
