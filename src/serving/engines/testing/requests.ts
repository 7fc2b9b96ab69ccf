// Shared by tests of the engines: a question in the form an engine is asked, and the settings to open one with.

import type { EngineRequest } from '../engine.ts';
import type { WorkerOptions } from '../worker-loop.ts';

/** One question, answered with the likeliest tokens. */
export function requestFor(question: string, more: Partial<EngineRequest> = {}): EngineRequest {
  return {
    messages: [{ role: 'user', content: question }], variables: {}, choices: 1, truncate: false, maxTokens: null, stop: [], topLogprobs: null, format: null, tools: null,
    sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1, frequencyPenalty: 0, presencePenalty: 0, bias: [] },
    thinking: { enabled: null, budget: null, raw: false },
    ...more,
  };
}

export function workerOptions(path: string): WorkerOptions {
  return { path, precision: 'file', slots: 4, context: null, cacheBytes: 2 ** 26, cache: null, besideTraining: 1, shared: new Int32Array(new SharedArrayBuffer(8)) };
}
