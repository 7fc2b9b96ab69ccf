// The thread in which llama.cpp serves a GGUF file, by node-llama-cpp from engines/llama. It computes logits; choosing
// tokens, thinking, masks and stops are the same code as for our engine. One llama.cpp sequence per slot; what a slot's
// last conversation and the next one begin with alike is not read again. Threads are said explicitly: by default
// node-llama-cpp takes at least four, and on two cores that is a hundred times slower than one.

import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TiefsucheError } from '../../errors.ts';
import { llamaFolder } from '../../evaluation/other-engines.ts';
import type { Sequence, StepReport } from './batch.ts';
import { type GgufWords, llamaText } from './llama-text.ts';
import { largestContext, runWorker } from './worker-loop.ts';

// Of node-llama-cpp 3.22.1, what is used here; the package is no dependency of this one.
interface LlamaSequence {
  readonly nextTokenIndex: number;
  controlledEvaluate(input: readonly (number | [number, { generateNext: { logits: true } }])[]): Promise<({ next: { logits?: Map<number, number> } } | undefined)[]>;
  eraseContextTokenRanges(ranges: readonly { start: number; end: number }[]): Promise<void>;
}
interface LlamaContext { getSequence(): LlamaSequence; dispose(): Promise<void> }
interface LlamaModel { readonly trainContextSize: number; createContext(options: object): Promise<LlamaContext>; tokenize(text: string, specials: boolean): number[]; dispose(): Promise<void> }
interface LlamaFile { readonly metadata: { readonly general: { readonly architecture: string }; readonly tokenizer: GgufWords }; readonly fullTensorInfo?: readonly { readonly dimensions: readonly (number | bigint)[] }[]; readonly tensorInfo?: readonly { readonly dimensions: readonly (number | bigint)[] }[] }
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{ readonly llamaCppRelease?: { readonly release: string }; loadModel(options: { modelPath: string }): Promise<LlamaModel>; dispose(): Promise<void> }>;
  readGgufFileInfo(path: string, options?: object): Promise<LlamaFile>;
}

/** Longest piece of a prompt read between two tokens of the others. */
const longestPiece = 128;

interface Slot { readonly sequence: LlamaSequence; ids: number[]; user: Sequence | null; fed: number }

class LlamaBatch {
  private readonly slots: Slot[];
  private readonly logits: Float32Array;
  private waiting: Sequence[] = [];

  constructor(sequences: readonly LlamaSequence[], vocab: number) {
    this.slots = sequences.map((sequence) => ({ sequence, ids: [], user: null, fed: 0 }));
    this.logits = new Float32Array(vocab);
  }

  get busy(): boolean { return this.waiting.length > 0 || this.slots.some((s) => s.user); }

  add(sequence: Sequence): void { this.waiting.push(sequence); }

  async step(): Promise<StepReport> {
    const tokens = new Map<Sequence, number>();
    this.leave();
    await this.admit();
    // llama.cpp puts what is asked for at the same time into one pass.
    const readers = this.slots.filter((s) => s.user && s.fed < s.user.ids.length - 1), reader = readers[0];
    const results = await Promise.all(this.slots.flatMap((slot) => {
      const { user } = slot;
      if (!user || (slot !== reader && readers.includes(slot))) return [];
      const news = user.ids.slice(slot.fed, slot.fed + longestPiece), last = slot.fed + news.length === user.ids.length;
      tokens.set(user, news.length);
      return [slot.sequence.controlledEvaluate(news.map((id, i) => (last && i === news.length - 1 ? [id, { generateNext: { logits: true } }] : id))).then((all) => ({ slot, user, news, last, logits: all.at(-1)?.next.logits }))];
    }));
    for (const { slot, user, news, last, logits } of results) {
      slot.fed += news.length;
      slot.ids.push(...news);
      if (!last || user.done || !logits) continue;
      this.logits.fill(-Infinity);
      for (const [id, value] of logits) this.logits[id] = value;
      user.choose(this.logits);
    }
    this.leave();
    return { tokens };
  }

  private leave(): void {
    for (const slot of this.slots) if (slot.user?.done) slot.user = null;
    this.waiting = this.waiting.filter((s) => !s.done);
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

await runWorker(async ({ path, slots, context: asked }) => {
  const entry = join(llamaFolder, 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
  if (!existsSync(entry)) throw new TiefsucheError('NOT_FOUND', 'llama.cpp is not installed', { hint: '`tiefsuche engine install llama` puts it there (85 MB).' });
  if (!path.endsWith('.gguf')) throw new TiefsucheError('UNSUPPORTED', `llama.cpp reads GGUF files, and ${path} is none`, { hint: 'Leave --engine out, or export the model to GGUF.' });
  const { getLlama, readGgufFileInfo } = (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
  const threads = Number(process.env['TIEFSUCHE_THREADS'] ?? 0) || Math.max(1, availableParallelism() - 1);
  try {
    const file = await readGgufFileInfo(path, { sourceType: 'filesystem', logWarnings: false }), llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, maxThreads: threads, logLevel: 'error' });
    const model = await llama.loadModel({ modelPath: path }), context = Math.min(asked ?? largestContext, model.trainContextSize), inside = await model.createContext({ contextSize: context, sequences: slots, batchSize: longestPiece + slots, threads });
    const { metadata: { general, tokenizer } } = file, bos = tokenizer.ggml.bos_token_id;
    const text = llamaText(tokenizer, (t, specials) => [...(specials && bos !== undefined ? [bos] : []), ...model.tokenize(t, true)]);
    return {
      text, vocab: tokenizer.ggml.tokens.length, context, batch: new LlamaBatch(Array.from({ length: slots }, () => inside.getSequence()), tokenizer.ggml.tokens.length),
      description: {
        engine: 'llama.cpp', architecture: general.architecture, precision: 'file', machine: `llama.cpp ${llama.llamaCppRelease?.release ?? ''}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
        parameters: (file.fullTensorInfo ?? file.tensorInfo ?? []).reduce((n, t) => n + t.dimensions.reduce<number>((a, b) => a * Number(b), 1), 0),
      },
      async close() {
        await inside.dispose();
        await model.dispose();
        await llama.dispose();
      },
    };
  } catch (error) {
    throw error instanceof TiefsucheError ? error : new TiefsucheError('FORMAT', `llama.cpp cannot serve ${path}: ${(error as Error).message}`, { cause: error });
  }
});
