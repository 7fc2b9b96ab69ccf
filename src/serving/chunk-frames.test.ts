import { test } from 'node:test';
import assert from 'node:assert/strict';
import { chatChunkSchema } from './chat-response.ts';
import { ChunkFrames } from './chunk-frames.ts';
import type { ChoiceEnd, EngineDescription, Piece } from './engines/engine.ts';

const head = { id: 'chatcmpl-1', created: 1, model: 'a "quoted" name' };
const engine = { energy: { method: 'none', grade: 'estimated', covers: '', formula: '' } } as unknown as EngineDescription;
const end: ChoiceEnd = { type: 'end', choice: 0, finish: 'stop', tokens: 3, reasoningTokens: 1, cachedTokens: 0, thinkingEnded: 'natural', queueSeconds: 0, promptSeconds: 0.1, decodeSeconds: 0.2, joules: 1 };

test('every frame is one event with a chunk of the schema; pieces put together from texts are what JSON.stringify writes', () => {
  for (const withUsage of [false, true]) {
    const frames = new ChunkFrames(head, { withUsage, promptTokens: 5, engine }), usage = withUsage ? { usage: null } : {};
    const read = (frame: string): unknown => {
      const [, json] = /^data: ([^\n]*)\n\n$/.exec(frame)!, chunk: unknown = JSON.parse(json!);
      chatChunkSchema.strict().parse(chunk);
      return chunk;
    };
    for (const [thinking, content] of [['', 'line\n"quoted" \\ ü 🙂 \u2028'], ['hm', ''], ['so', 'yes'], ['', '\ud83d']] as const) {
      const piece: Piece = { type: 'piece', choice: 2, thinking, content };
      const delta = { ...(thinking !== '' && { reasoning_content: thinking, reasoning: thinking }), ...(content !== '' && { content }) };
      assert.deepEqual(read(frames.piece(piece)), { ...head, object: 'chat.completion.chunk', choices: [{ index: 2, delta, logprobs: null, finish_reason: null }], ...usage });
    }
    const calls = [{ name: 'clock', arguments: '{}' }], called = [0, 1].map(() => (read(frames.piece({ type: 'piece', choice: 0, thinking: '', content: '', calls })) as { choices: [{ delta: { tool_calls: [{ index: number }] } }] }).choices[0].delta.tool_calls[0].index);
    assert.deepEqual(called, [0, 1]);
    assert.deepEqual(read(frames.opening(0, { seed: 7 })), { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }], ...usage, seed: 7 });
    assert.equal((read(frames.end(end)) as { choices: [{ finish_reason: string }] }).choices[0].finish_reason, 'stop');
    if (withUsage) assert.equal((read(frames.usage()) as { usage: { total_tokens: number } }).usage.total_tokens, 8);
    else assert.equal(frames.usage(), '');
  }
});
