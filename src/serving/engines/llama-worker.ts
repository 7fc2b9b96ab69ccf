// The thread in which llama.cpp serves a GGUF file, by node-llama-cpp from engines/llama. It computes logits; choosing
// tokens, thinking, masks and stops are the same code as for our engine. One llama.cpp sequence per slot; what a slot's
// last conversation and the next one begin with alike is not read again. Threads are said explicitly: by default
// node-llama-cpp takes at least four, and on two cores that is a hundred times slower than one.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TiefsucheError } from '../../errors.ts';
import { type Gpu, chosenGpu, llamaFolder } from '../../evaluation/other-engines.ts';
import { ggufPooling, ofLengthOne } from '../../models/pooling.ts';
import type { Sequence, StepReport } from './batch.ts';
import { Embedding } from './embedding.ts';
import { type GgufWords, llamaText } from './llama-text.ts';
import { PieceSize, longestPiece } from './piece-size.ts';
import { largestContext, runWorker } from './worker-loop.ts';

// Of node-llama-cpp 3.22.1, what is used here; the package is no dependency of this one.
interface LlamaSequence {
  readonly nextTokenIndex: number;
  controlledEvaluate(input: readonly (number | [number, { generateNext: { logits: true | { filter: { tokens: readonly number[]; includeTop: number } } } }])[]): Promise<({ next: { logits?: Map<number, number> } } | undefined)[]>;
  eraseContextTokenRanges(ranges: readonly { start: number; end: number }[]): Promise<void>;
}
interface LlamaContext { getSequence(): LlamaSequence; dispose(): Promise<void> }
interface LlamaEmbeddingContext { getEmbeddingFor(ids: readonly number[]): Promise<{ readonly vector: readonly number[] }>; dispose(): Promise<void> }
interface LlamaModel { readonly trainContextSize: number; readonly embeddingVectorSize: number; createEmbeddingContext(options: object): Promise<LlamaEmbeddingContext>; createContext(options: object): Promise<LlamaContext>; tokenize(text: string, specials: boolean): number[]; dispose(): Promise<void> }
interface LlamaFile { readonly metadata: { readonly general: { readonly architecture: string }; readonly tokenizer: GgufWords } & Readonly<Record<string, { readonly pooling_type?: number } | undefined>>; readonly fullTensorInfo?: readonly { readonly dimensions: readonly (number | bigint)[] }[]; readonly tensorInfo?: readonly { readonly dimensions: readonly (number | bigint)[] }[] }
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{ getGpuDeviceNames(): Promise<string[]>; readonly llamaCppRelease?: { readonly release: string }; loadModel(options: { modelPath: string }): Promise<LlamaModel>; dispose(): Promise<void> }>;
  readGgufFileInfo(path: string, options?: object): Promise<LlamaFile>;
}

interface Slot { readonly sequence: LlamaSequence; ids: number[]; user: Sequence | null; fed: number }

class LlamaBatch {
  private readonly slots: Slot[];
  private readonly logits: Float32Array;
  private readonly pieces = new PieceSize();
  private waiting: Sequence[] = [];
  private embeddings: Embedding[] = [];
  private readonly embed: (ids: readonly number[]) => Promise<Float32Array>;

  constructor(sequences: readonly LlamaSequence[], vocab: number, embed: (ids: readonly number[]) => Promise<Float32Array>) {
    this.embed = embed;
    this.slots = sequences.map((sequence) => ({ sequence, ids: [], user: null, fed: 0 }));
    this.logits = new Float32Array(vocab);
  }

  get busy(): boolean { return this.waiting.length + this.embeddings.length > 0 || this.slots.some((s) => s.user); }

  add(sequence: Sequence): void {
    if (sequence instanceof Embedding) this.embeddings.push(sequence);
    else this.waiting.push(sequence);
  }

  async step(): Promise<StepReport> {
    const tokens = new Map<Sequence, number>();
    this.leave();
    await this.admit();
    // llama.cpp puts what is asked for at the same time into one pass.
    const readers = this.slots.filter((s) => s.user && s.fed < s.user.ids.length - 1), reader = readers[0], size = this.pieces.next(this.slots.some((s) => s.user && !s.user.done && !readers.includes(s))), begun = performance.now();
    const results = await Promise.all(this.slots.flatMap((slot) => {
      const { user } = slot;
      if (!user || (slot !== reader && readers.includes(slot))) return [];
      const news = user.ids.slice(slot.fed, slot.fed + size), last = slot.fed + news.length === user.ids.length;
      tokens.set(user, news.length);
      // Each logit becomes an entry of a map: 30 ms for 49,152 of them, where the best one may do.
      const candidates = user.candidates?.() ?? null, logits = candidates === null || candidates >= this.logits.length ? true as const : { filter: { tokens: [], includeTop: candidates } };
      return [slot.sequence.controlledEvaluate(news.map((id, i) => (last && i === news.length - 1 ? [id, { generateNext: { logits } }] : id))).then((all) => ({ slot, user, news, last, logits: all.at(-1)?.next.logits }))];
    }));
    const read = reader?.user ? tokens.get(reader.user) ?? 0 : 0;
    if (read > 0) this.pieces.took(read, (performance.now() - begun) / 1000);
    for (const { slot, user, news, last, logits } of results) {
      slot.fed += news.length;
      slot.ids.push(...news);
      if (!last || user.done || !logits) continue;
      this.logits.fill(-Infinity);
      for (const [id, value] of logits) this.logits[id] = value;
      user.choose(this.logits);
    }
    // A text goes through whole, in a context of its own: models that embed do not write.
    const embedding = this.embeddings.find((e) => !e.done);
    if (embedding) {
      embedding.finish(await this.embed(embedding.ids));
      tokens.set(embedding, embedding.ids.length);
    }
    this.leave();
    return { tokens };
  }

  private leave(): void {
    for (const slot of this.slots) if (slot.user?.done) slot.user = null;
    this.waiting = this.waiting.filter((s) => !s.done);
    this.embeddings = this.embeddings.filter((s) => !s.done);
  }

  private async admit(): Promise<void> {
    for (let next = this.waiting[0]; next && this.slots.some((s) => !s.user); next = this.waiting[0]) {
      this.waiting.shift();
      const { ids } = next, common = (slot: Slot): number => {
        let n = 0;
        while (n < slot.ids.length && n < ids.length - 1 && slot.ids[n] === ids[n]) n++;
        return n;
      };
      const slot = this.slots.filter((s) => !s.user).reduce((best, s) => (common(s) > common(best) ? s : best)), kept = common(slot);
      if (slot.sequence.nextTokenIndex > kept) await slot.sequence.eraseContextTokenRanges([{ start: kept, end: slot.sequence.nextTokenIndex }]);
      // A model whose cache cannot be cut anywhere keeps less than was asked for.
      const there = Math.min(kept, slot.sequence.nextTokenIndex);
      Object.assign(slot, { ids: ids.slice(0, there), user: next, fed: there });
      next.begun(there);
    }
  }
}

const noDevice = (gpu: Gpu, cause?: unknown): TiefsucheError => new TiefsucheError('UNSUPPORTED', `llama.cpp was installed to compute by ${gpu}, and there is no device here that it can use`, { hint: 'Check its driver; or `tiefsuche engine install llama` without --gpu, for the processor.', ...(cause !== undefined && { cause }) });

/** llama.cpp's names for how keys and values are held; 8 bits need its fused attention. */
const cacheNames = { f32: 'F32', f16: 'F16', q8: 'Q8_0' } as const;

await runWorker(async ({ path, slots, context: asked, cache: type }) => {
  const entry = join(llamaFolder, 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
  if (!existsSync(entry)) throw new TiefsucheError('NOT_FOUND', 'llama.cpp is not installed', { hint: '`tiefsuche engine install llama` puts it there (85 MB).' });
  if (!path.endsWith('.gguf')) throw new TiefsucheError('UNSUPPORTED', `llama.cpp reads GGUF files, and ${path} is none`, { hint: 'Leave --engine out, or export the model to GGUF.' });
  const { getLlama, readGgufFileInfo } = (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
  const threads = Number(process.env['TIEFSUCHE_THREADS'] ?? 0) || Math.max(1, availableParallelism() - 1);
  try {
    const file = await readGgufFileInfo(path, { sourceType: 'filesystem', logWarnings: false }), gpu = chosenGpu(), llama = await getLlama({ gpu: gpu ?? false, build: 'never', skipDownload: true, maxThreads: threads, logLevel: 'error' }).catch((error: unknown) => { throw gpu === null ? error : noDevice(gpu, error); });
    const devices = gpu === null ? [] : await llama.getGpuDeviceNames();
    if (gpu !== null && devices.length === 0) throw noDevice(gpu);
    const model = await llama.loadModel({ modelPath: path }), context = Math.min(asked ?? largestContext, model.trainContextSize), inside = await model.createContext({ contextSize: context, sequences: slots, batchSize: longestPiece + slots, threads, ...(type && { experimentalKvCacheKeyType: cacheNames[type], experimentalKvCacheValueType: cacheNames[type], flashAttention: type === 'q8' ? true : 'auto' }) });
    const { metadata: { general, tokenizer: { ggml } } } = file, addBos = ggml.add_bos_token ?? ggml.model === 'llama'; // as llama.cpp has it where the file is silent
    const frame = (id: number | undefined, wanted: boolean): number[] => (wanted && id !== undefined ? [id] : []);
    const text = llamaText(file.metadata.tokenizer, (t, specials) => [...frame(ggml.bos_token_id, specials && addBos), ...model.tokenize(t, true), ...frame(ggml.eos_token_id, specials && ggml.add_eos_token === true)]);
    const pooling = ggufPooling(file.metadata[general.architecture]?.pooling_type);
    let embedder: Promise<LlamaEmbeddingContext> | null = null;
    const embed = async (ids: readonly number[]): Promise<Float32Array> => {
      embedder ??= model.createEmbeddingContext({ contextSize: context + 8, batchSize: context + 8, threads });
      return ofLengthOne(Float32Array.from((await (await embedder).getEmbeddingFor(ids)).vector));
    };
    return {
      text, vocab: ggml.tokens.length, context, batch: new LlamaBatch(Array.from({ length: slots }, () => inside.getSequence()), ggml.tokens.length, embed),
      description: {
        engine: 'llama.cpp', architecture: general.architecture, precision: 'file', cache: type ?? 'f16', embedding: pooling && !('refused' in pooling) ? { ...pooling, size: model.embeddingVectorSize } : pooling, machine: `llama.cpp ${llama.llamaCppRelease?.release ?? ''}, ${devices.map((name) => `${name}, `).join('')}${threads} ${threads === 1 ? 'thread' : 'threads'}`,
        parameters: (file.fullTensorInfo ?? file.tensorInfo ?? []).reduce((n, t) => n + t.dimensions.reduce<number>((a, b) => a * Number(b), 1), 0),
      },
      async close() {
        await (await embedder)?.dispose();
        await inside.dispose();
        await model.dispose();
        await llama.dispose();
      },
    };
  } catch (error) {
    throw error instanceof TiefsucheError ? error : new TiefsucheError('FORMAT', `llama.cpp cannot serve ${path}: ${(error as Error).message}`, { cause: error });
  }
});
