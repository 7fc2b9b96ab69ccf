// An engine in a worker thread, seen from the server's thread: starts it, waits until its model is there, and hands its
// events to whoever asked. When the thread dies, every open answer hears it, and so does the next one.

import { Worker } from 'node:worker_threads';
import { TiefsucheError, type ErrorCode, isTiefsucheError } from '../../errors.ts';
import { llamaInstalled } from '../../evaluation/other-engines.ts';
import type { CutShort, EmbedRequest, Engine, EngineAnswer, EngineDescription, EngineEvent, EngineRequest } from './engine.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker-loop.ts';

/** What was compiled; or, where this file itself runs from source, the source, for which a thread needs tsx to be asked again. */
function startWorker(name: 'engine-worker' | 'llama-worker', workerData: WorkerOptions): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL(`./${name}.js`, import.meta.url), { workerData });
  const source = JSON.stringify(new URL(`./${name}.ts`, import.meta.url).href);
  return new Worker(`import('tsx/esm/api').then(({ register }) => { register(); return import(${source}); })`, { eval: true, workerData });
}

class Answer implements EngineAnswer {
  private readonly events: EngineEvent[] = [];
  private readonly tell: (reason: CutShort) => void;
  private open: number; // choices that have not ended
  private wake: (() => void) | null = null;
  /** Choices that are still open. */
  get pending(): number { return this.open; }

  constructor(choices: number, tell: (reason: CutShort) => void) {
    this.open = choices;
    this.tell = tell;
  }

  push(event: EngineEvent): void {
    if (this.open === 0) return;
    if (event.type === 'end') this.open--;
    if (event.type === 'refused' || event.type === 'embeddings') this.open = 0;
    this.events.push(event);
    this.wake?.();
  }

  cancel(reason: CutShort): void {
    if (this.open > 0) this.tell(reason);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EngineEvent> {
    try {
      for (;;) {
        while (this.events.length > 0) yield this.events.shift()!;
        if (this.open === 0) return;
        await new Promise<void>((resolve) => { this.wake = resolve; });
        this.wake = null;
      }
    } finally {
      this.cancel('client');
    }
  }
}

export type EngineName = 'tiefsuche' | 'llama';

/** Opens a model with the engine that is named; else with ours, and with llama.cpp what ours cannot read, where it is installed. */
export async function openEngine(options: WorkerOptions, name: EngineName | null): Promise<Engine> {
  if (name !== null) return openWorkerEngine(name === 'llama' ? 'llama-worker' : 'engine-worker', options);
  try { return await openWorkerEngine('engine-worker', options); } catch (error) {
    const unread = isTiefsucheError(error) && (error.code === 'UNSUPPORTED' || error.code === 'FORMAT') && options.path.endsWith('.gguf');
    if (!unread) throw error;
    if (!llamaInstalled()) throw new TiefsucheError(error.code, error.message, { hint: `${error.hint ?? ''} llama.cpp may read it: \`tiefsuche engine install llama\`.`.trim(), cause: error });
    return openWorkerEngine('llama-worker', options);
  }
}

async function openWorkerEngine(name: 'engine-worker' | 'llama-worker', options: WorkerOptions): Promise<Engine> {
  const worker = startWorker(name, options);
  const answers = new Map<number, Answer>();
  let dead: string | null = null, next = 0;
  const post = (message: ToWorker): void => worker.postMessage(message);
  const die = (message: string): void => {
    dead ??= message;
    for (const answer of answers.values()) answer.push({ type: 'refused', refusal: { code: 'engine_failed', message } });
    answers.clear();
  };
  const description = await new Promise<EngineDescription>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') resolve(message.description);
      else if (message.type === 'failed') {
        die(message.message);
        reject(message.code === 'INTERNAL' ? new Error(message.message) : new TiefsucheError(message.code as ErrorCode, message.message, message.hint === undefined ? {} : { hint: message.hint }));
      } else {
        for (const [id, event] of message.events) {
          const answer = answers.get(id);
          answer?.push(event);
          if (answer?.pending === 0) answers.delete(id);
        }
      }
    });
    worker.on('error', (error) => { die(error.message); reject(error); });
    worker.on('exit', () => { die('the engine has ended'); reject(new Error('the engine has ended')); });
  });
  const ask = (choices: number, message: (id: number) => ToWorker): EngineAnswer => {
    const id = next++, answer = new Answer(choices, (reason) => { if (dead === null) post({ type: 'cancel', id, reason }); });
    answers.set(id, answer);
    if (dead !== null) die(dead);
    else try { post(message(id)); } catch (error) {
      answers.delete(id); // the thread never hears of it, so nobody else would end it
      answer.push({ type: 'refused', refusal: { code: 'invalid_input', message: `the request cannot be handed to the engine: ${(error as Error).message}` } });
    }
    return answer;
  };
  return {
    description,
    get dead() { return dead; },
    get pending() { return [...answers.values()].reduce((n, a) => n + a.pending, 0); },
    start: (request: EngineRequest) => ask(request.choices, (id) => ({ type: 'start', id, request })),
    embed: (request: EmbedRequest) => ask(1, (id) => ({ type: 'embed', id, request })),
    async close() {
      if (dead !== null) return;
      const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      post({ type: 'close' });
      await ended;
    },
  };
}
