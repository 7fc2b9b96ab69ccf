// What every engine's thread does. Messages in: start, cancel, close; out: ready or failed, then events by request, those
// of one step together. Between two steps the thread listens, so whoever leaves frees a slot within a token.
// Energy: what the meter counts for a step is split over the sequences in it by the tokens computed for each. The meter
// sees the whole process or machine, so while several models compute at once each books its part of an equal division.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { CacheType } from '../../engine/cache-pages.ts';
import { isTiefsucheError } from '../../errors.ts';
import { openEnergyMeter } from '../../ledger/meters/index.ts';
import type { TextSide } from '../../models/language-model.ts';
import { Pooled } from '../../models/pooling.ts';
import type { Precision } from '../../models/compressed.ts';
import { taskChatTemplate } from '../../reasoning/task-tokenizer.ts';
import { toolFormatOf } from '../tools/index.ts';
import type { Sequence, StepReport } from './batch.ts';
import { Choice } from './choice.ts';
import { Embedding } from './embedding.ts';
import type { CutShort, EmbedRequest, EngineDescription, EngineEvent, EngineRequest } from './engine.ts';
import { Pace } from './pace.ts';
import { endIds, fittingPrompt } from './prompt.ts';
import { thinks } from '../../reasoning/thinking-models.ts';
import { RuleBook } from './steering.ts';

export interface WorkerOptions {
  readonly path: string;
  readonly adapter?: string;
  readonly precision: Precision;
  readonly slots: number;
  /** Null: what the model can, at most `largestContext`. */
  readonly context: number | null;
  readonly cacheBytes: number;
  /** How keys and values are held; null: as the engine does by itself, f32 for ours and f16 for llama.cpp. */
  readonly cache: CacheType | null;
  /** Share of the time that answers may compute while a run trains on this machine, 0 … 1. */
  readonly besideTraining: number;
  /** Shared by all engines of the process: how many compute now, and whether a run trains on this machine. */
  readonly shared: Int32Array;
}

export type ToWorker = { type: 'start'; id: number; request: EngineRequest } | { type: 'embed'; id: number; request: EmbedRequest } | { type: 'cancel'; id: number; reason: CutShort } | { type: 'close' };
export type FromWorker =
  | { type: 'ready'; description: EngineDescription }
  | { type: 'failed'; code: string; message: string; hint?: string | undefined }
  | { type: 'events'; events: readonly (readonly [id: number, event: EngineEvent])[] };

export const largestContext = 8192;

/** An engine at work: its model's words, and steps that feed sequences and let them choose. */
export interface Machine {
  readonly text: TextSide;
  readonly vocab: number;
  readonly context: number;
  readonly batch: { readonly busy: boolean; add(sequence: Sequence): void; step(): Promise<StepReport> };
  readonly description: Pick<EngineDescription, 'engine' | 'architecture' | 'parameters' | 'precision' | 'cache' | 'machine' | 'embedding'>;
  close(): void | Promise<void>;
}

/** Opens the machine and serves it until it is told to close. */
export async function runWorker(open: (options: WorkerOptions) => Promise<Machine>): Promise<void> {
  const port = parentPort!, options = workerData as WorkerOptions, post = (message: FromWorker): void => port.postMessage(message);
  try {
    serve(await open(options), options, port, post);
  } catch (error) {
    const known = isTiefsucheError(error) ? error : null;
    post({ type: 'failed', code: known?.code ?? 'INTERNAL', message: (error as Error).message, hint: known?.hint });
  }
}

function serve(machine: Machine, options: WorkerOptions, port: NonNullable<typeof parentPort>, post: (message: FromWorker) => void): void {
  const { text, context, batch, description } = machine, ends = endIds(text), book = new RuleBook(text, machine.vocab, ends);
  const pace = new Pace(options.besideTraining), meter = openEnergyMeter(), used = meter.description.used[0]!;
  const requests = new Map<number, readonly (Choice | Embedding)[]>();
  let outbox: [number, EngineEvent][] = [], stepping = false, closing = false;
  const flush = (): void => {
    if (outbox.length > 0) post({ type: 'events', events: outbox });
    outbox = [];
  };
  const refuse = (id: number, refusal: Extract<EngineEvent, { type: 'refused' }>['refusal']): void => { outbox.push([id, { type: 'refused', refusal }]); };

  const start = (id: number, request: EngineRequest): void => {
    try {
      const rules = book.of(request), { prompt, dropped } = fittingPrompt(text, request, context);
      if (prompt.ids.length >= context) return refuse(id, { code: 'context_length_exceeded', promptTokens: prompt.ids.length, context });
      const strange = request.sampling.bias.find(([token]) => token >= machine.vocab);
      if (strange) return refuse(id, { code: 'invalid_input', param: 'logit_bias', message: `logit_bias names the token ${strange[0]}, and the model knows those below ${machine.vocab}: /v1/models says which model answers here` });
      if (prompt.ids.length === 0) return refuse(id, { code: 'invalid_input', message: 'the conversation is empty' });
      outbox.push([id, { type: 'prompt', tokens: prompt.ids.length, thinking: !prompt.closed && thinks(text), dropped }]);
      const choices = Array.from({ length: request.choices }, (_, i) => new Choice(text, request, prompt, i, context, ends, rules, (event) => { outbox.push([id, event]); }));
      requests.set(id, choices);
      const [first, ...rest] = choices as [Choice, ...Choice[]];
      first.onRead = () => rest.forEach((choice) => batch.add(choice));
      batch.add(first);
    } catch (error) {
      // Whatever is wrong with one request is no reason to end the others.
      if (!isTiefsucheError(error)) return refuse(id, { code: 'engine_failed', message: (error as Error).message });
      if (error.code === 'UNSUPPORTED') return refuse(id, { code: 'unsupported', param: request.tools ? 'tools' : 'response_format', message: `${error.message}${error.hint === undefined ? '' : `. ${error.hint}`}` });
      refuse(id, { code: 'invalid_input', message: error.message, ...(error.hint !== undefined && { hint: error.hint }) });
    }
  };
  const embed = (id: number, { inputs }: EmbedRequest): void => {
    try {
      const { embedding } = description;
      if (embedding === null || 'refused' in embedding) return refuse(id, { code: 'unsupported', param: 'model', message: embedding?.refused ?? 'the model was not made to give embeddings' });
      const texts = inputs.map((input) => (typeof input === 'string' ? [...text.tokenizer.encode(input, { addSpecialTokens: true })] : input));
      for (const [i, ids] of texts.entries()) {
        if (ids.length === 0) return refuse(id, { code: 'invalid_input', message: `input ${i} is empty` });
        if (ids.length > context) return refuse(id, { code: 'context_length_exceeded', promptTokens: ids.length, context });
        const strange = ids.find((t) => t >= machine.vocab);
        if (strange !== undefined) return refuse(id, { code: 'invalid_input', message: `input ${i} has the token ${strange}, and the model knows ${machine.vocab}` });
      }
      const embeddings = texts.map((ids) => new Embedding(ids, new Pooled(embedding, embedding.size)));
      requests.set(id, embeddings);
      for (const one of embeddings) batch.add(one);
    } catch (error) {
      refuse(id, { code: 'engine_failed', message: (error as Error).message });
    }
  };
  const cancel = (id: number, reason: CutShort): void => {
    for (const one of requests.get(id) ?? []) one.cut(reason);
    if (!stepping) settle();
  };
  /** Says what has ended. Never during a step, whose energy is not booked yet. */
  const settle = (): void => {
    for (const [id, all] of requests) {
      for (const one of all) if (one instanceof Choice) one.tellEnd();
      if (all.every((one) => one.done)) finished(id, all);
    }
  };
  /** Takes a request off the list, and sends what it gathered. */
  const finished = (id: number, all: readonly (Choice | Embedding)[]): void => {
    requests.delete(id);
    const embeddings = all.filter((one) => one instanceof Embedding), cutShort = embeddings.find((e) => e.cutShort)?.cutShort;
    if (embeddings.length === 0) return;
    const joules = embeddings.reduce<number | null>((sum, { joules: own }) => (sum === null || own === null ? null : sum + own), 0);
    outbox.push([id, { type: 'embeddings', vectors: embeddings.map((e) => e.vector), tokens: embeddings.reduce((n, e) => n + e.ids.length, 0), joules, ...(cutShort && { cutShort }) }]);
  };
  const bill = (tokens: ReadonlyMap<Sequence, number>): void => {
    const read = meter.read()[0]?.value ?? null, engines = Math.max(1, Atomics.load(options.shared, 0));
    const all = [...tokens.values()].reduce((a, b) => a + b, 0);
    for (const [sequence, n] of tokens) {
      const choice = sequence as Choice | Embedding;
      choice.joules = read === null || choice.joules === null ? null : choice.joules + ((read / engines) * n) / all;
    }
  };
  const compute = async (): Promise<void> => {
    Atomics.add(options.shared, 0, 1);
    try {
      meter.read(); // what was used while nothing was asked belongs to nobody
      while (batch.busy && !closing) {
        stepping = true;
        const begun = performance.now(), { tokens } = await batch.step(), seconds = (performance.now() - begun) / 1000;
        stepping = false;
        bill(tokens);
        settle();
        flush();
        if (Atomics.load(options.shared, 1) > 0 && await pace.after(seconds)) meter.read(); // the rest belongs to nobody
        else await nextTurn();
      }
    } finally {
      Atomics.sub(options.shared, 0, 1);
    }
  };

  let computing: Promise<void> | null = null;
  port.on('message', (message: ToWorker) => {
    if (message.type === 'start') start(message.id, message.request);
    else if (message.type === 'embed') embed(message.id, message.request);
    else if (message.type === 'cancel') cancel(message.id, message.reason);
    else {
      closing = true;
      void (computing ?? Promise.resolve()).then(async () => {
        flush();
        meter.close();
        await machine.close();
        port.close();
      });
      return;
    }
    flush();
    computing ??= compute().catch((error: unknown) => {
      stepping = false;
      for (const id of requests.keys()) refuse(id, { code: 'engine_failed', message: (error as Error).message });
      for (const id of [...requests.keys()]) cancel(id, 'shutdown');
      flush();
    }).finally(() => { computing = null; });
  });
  post({
    type: 'ready',
    description: {
      ...description, context, slots: options.slots, thinks: thinks(text), tools: toolFormatOf(text.chatTemplate)?.name ?? null, singleTurn: text.chatTemplate === taskChatTemplate,
      energy: { method: used.name, grade: used.grade, covers: used.covers, formula: used.formula },
    },
  });
}
