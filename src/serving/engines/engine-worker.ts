// The thread in which a model of ours lives. Messages in: start, cancel, close; out: ready or failed, then events by
// request, those of one step together. Between two steps the thread listens, so whoever leaves frees a slot within a token.
// Energy: what the meter counts for a step is split over the sequences in it by the tokens computed for each. The meter
// sees the whole process or machine, so while several models compute at once each books its part of an equal division.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { isTiefsucheError } from '../../errors.ts';
import { openBackend } from '../../engine/backends/open.ts';
import { openEnergyMeter } from '../../ledger/meters/index.ts';
import { openLanguageModel } from '../../models/language-model.ts';
import type { Precision } from '../../models/compressed.ts';
import type { Model } from '../../models/model.ts';
import { taskChatTemplate } from '../../reasoning/task-tokenizer.ts';
import { Batch, type Sequence } from './batch.ts';
import { Choice } from './choice.ts';
import type { CutShort, EngineDescription, EngineEvent, EngineRequest } from './engine.ts';
import { endIds, preparePrompt, thinks } from './prompt.ts';
import { RuleBook } from './steering.ts';
import { toolFormatOf } from '../tools/index.ts';

export interface WorkerOptions {
  readonly path: string;
  readonly adapter?: string;
  readonly precision: Precision;
  readonly slots: number;
  /** Null: what the model can, at most `largestContext`. */
  readonly context: number | null;
  readonly cacheBytes: number;
  /** One number shared by all engines of the process: how many compute now. */
  readonly computing: Int32Array;
}

export type ToWorker = { type: 'start'; id: number; request: EngineRequest } | { type: 'cancel'; id: number; reason?: CutShort } | { type: 'close' };
export type FromWorker =
  | { type: 'ready'; description: EngineDescription }
  | { type: 'failed'; code: string; message: string; hint?: string | undefined }
  | { type: 'events'; events: readonly (readonly [id: number, event: EngineEvent])[] };

const largestContext = 8192;

const port = parentPort!, options = workerData as WorkerOptions;
const post = (message: FromWorker): void => port.postMessage(message);

try {
  await serve();
} catch (error) {
  const known = isTiefsucheError(error) ? error : null;
  post({ type: 'failed', code: known?.code ?? 'INTERNAL', message: (error as Error).message, hint: known?.hint });
}

/** All of them, those held in few bits too. */
function parametersOf({ architecture, config }: Model): number {
  return architecture.parameters(config).filter((s) => s.kind !== 'buffer').reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0);
}

async function serve(): Promise<void> {
  const backend = openBackend(), meter = openEnergyMeter();
  const language = openLanguageModel(backend, options.path, { absorbed: true, precision: options.precision, adapter: options.adapter });
  const context = Math.min(options.context ?? largestContext, language.model.maxPositions), ends = endIds(language);
  const batch = new Batch(language.model, { slots: options.slots, maxTokens: context, cacheBytes: options.cacheBytes });
  await batch.open();
  const book = new RuleBook(language, language.model.dims.vocab, ends);
  const used = meter.description.used[0]!, machine = backend.info();
  const requests = new Map<number, Choice[]>();
  let outbox: [number, EngineEvent][] = [], closing = false;
  const flush = (): void => {
    if (outbox.length > 0) post({ type: 'events', events: outbox });
    outbox = [];
  };
  const refuse = (id: number, refusal: Extract<EngineEvent, { type: 'refused' }>['refusal']): void => { outbox.push([id, { type: 'refused', refusal }]); };

  const start = (id: number, request: EngineRequest): void => {
    try {
      const rules = book.of(request), prompt = preparePrompt(language, request);
      if (prompt.ids.length >= context) return refuse(id, { code: 'context_length_exceeded', promptTokens: prompt.ids.length, context });
      if (prompt.ids.length === 0) return refuse(id, { code: 'invalid_input', message: 'the conversation is empty' });
      outbox.push([id, { type: 'prompt', tokens: prompt.ids.length, thinking: !prompt.closed && thinks(language) }]);
      const choices = Array.from({ length: request.choices }, (_, i) => new Choice(language, request, prompt, i, context, ends, rules, (event) => { outbox.push([id, event]); }));
      requests.set(id, choices);
      const [first, ...rest] = choices as [Choice, ...Choice[]];
      first.onRead = () => rest.forEach((choice) => batch.add(choice));
      batch.add(first);
    } catch (error) {
      if (!isTiefsucheError(error)) throw error;
      if (error.code === 'UNSUPPORTED') return refuse(id, { code: 'unsupported', param: request.tools ? 'tools' : 'response_format', message: `${error.message}${error.hint === undefined ? '' : `. ${error.hint}`}` });
      refuse(id, { code: 'invalid_input', message: error.message, ...(error.hint !== undefined && { hint: error.hint }) });
    }
  };
  const cancel = (id: number, reason?: CutShort): void => {
    for (const choice of requests.get(id) ?? []) {
      if (reason) choice.cut(reason);
      choice.done = true;
    }
    requests.delete(id);
  };
  const bill = (tokens: ReadonlyMap<Sequence, number>): void => {
    const read = meter.read()[0]?.value ?? null, engines = Math.max(1, Atomics.load(options.computing, 0));
    const all = [...tokens.values()].reduce((a, b) => a + b, 0);
    for (const [sequence, n] of tokens) {
      const choice = sequence as Choice;
      choice.joules = read === null || choice.joules === null ? null : choice.joules + ((read / engines) * n) / all;
    }
  };
  const compute = async (): Promise<void> => {
    Atomics.add(options.computing, 0, 1);
    try {
      meter.read(); // what was used while nothing was asked belongs to nobody
      while (batch.busy && !closing) {
        const { tokens } = await batch.step();
        bill(tokens);
        for (const [id, choices] of requests) if (choices.every((c) => c.done)) requests.delete(id);
        flush();
        await nextTurn();
      }
    } finally {
      Atomics.sub(options.computing, 0, 1);
    }
  };

  let computing: Promise<void> | null = null;
  port.on('message', (message: ToWorker) => {
    if (message.type === 'start') start(message.id, message.request);
    else if (message.type === 'cancel') cancel(message.id, message.reason);
    else {
      closing = true;
      void (computing ?? Promise.resolve()).then(() => {
        flush();
        batch.close();
        meter.close();
        language.model.close();
        backend.close();
        port.close();
      });
      return;
    }
    flush();
    computing ??= compute().catch((error: unknown) => {
      for (const id of requests.keys()) refuse(id, { code: 'engine_failed', message: (error as Error).message });
      for (const id of [...requests.keys()]) cancel(id);
      flush();
    }).finally(() => { computing = null; });
  });
  post({
    type: 'ready',
    description: {
      engine: 'tiefsuche', architecture: String(language.model.config['model_type']), context, slots: options.slots, thinks: thinks(language), tools: toolFormatOf(language.chatTemplate)?.name ?? null, singleTurn: language.chatTemplate === taskChatTemplate,
      parameters: parametersOf(language.model), precision: options.precision, machine: `${machine.name} ${machine.isa}, ${machine.threads} threads`,
      energy: { method: used.name, grade: used.grade, covers: used.covers, formula: used.formula },
    },
  });
}
