// The sampler: many sequences at once over a paged cache, several tokens a call without returning to JavaScript.
// A prompt with n tokens fills the cache with its first n − 1; its samples share those pages, and get their own copy of
// the last, half-full one. The last prompt token is the first one fed by the decoding program, which then feeds what it
// samples. Every `stride` steps the host looks: finished rows leave, waiting requests enter when a row and pages for
// their longest possible text are free. Nothing of this shows in the results: a token's value depends on its own prefix
// alone, and its random number on (seed, stream, position).

import { TiefsucheError, invariant } from '../errors.ts';
import { faultPoint } from '../fault-point.ts';
import { type PagedCache, type PagedRows, attentionCachedFlops, cacheCopy, cacheShapes } from '../engine/ops/attention-cached.ts';
import type { CacheType } from '../engine/cache-pages.ts';
import { keyBlock } from '../engine/ops/attention.ts';
import { type SamplerRows, type SamplerSettings, sample } from '../engine/ops/sample.ts';
import { type Arena, type Program, type Region, execute } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { type DType, type Shape, type Tensor, aligned, fixedTensor, sizeOf } from '../engine/tensor.ts';
import type { Model } from '../models/model.ts';

export interface SampleRequest {
  readonly prompt: Int32Array;
  readonly maxNew: number;
  /** One sample for each random stream. */
  readonly streams: readonly number[];
}

export interface Completion {
  readonly tokens: Int32Array;
  /** Log-probability of each token when it was sampled. */
  readonly logp: Float32Array;
  /** Kept ids of each token where top-k, top-p or min-p cut some off. */
  readonly support: readonly Int32Array[] | null;
  readonly finish: 'stop' | 'length';
}

export interface RolloutOptions {
  /** Rows of the decoding program. */
  readonly maxRows: number;
  /** Longest prompt plus completion. */
  readonly maxTokens: number;
  /** Most ids kept by top-k and top-p that are recorded; 0: supports are not recorded. */
  readonly supportCap?: number;
  /** How keys and values are held; f32 wherever exactness counts, fewer bits in fast mode. */
  readonly cache?: CacheType;
}

export interface GenerateOptions {
  readonly stops: readonly number[];
  readonly settings: SamplerSettings;
  readonly cancel?: { readonly cancelled: boolean };
  /** Called with each finished sample. */
  readonly onCompletion?: (request: number, sample: number, completion: Completion) => void;
  /** Called with new tokens of a row as they come, every few steps. */
  readonly onTokens?: (request: number, sample: number, tokens: Int32Array) => void;
}

interface Row {
  readonly prompt: Int32Array;
  /** Rows of one group share their prompt's pages. */
  readonly group: number;
  request: number; sample: number; pages: number[]; pos: number; limit: number; stream: number; token: number;
  tokens: number[]; logp: number[]; support: Int32Array[];
}

/** New tokens that a prompt leaves room for: fewer than wanted where it is longer than was planned for. */
export const roomFor = (prompt: Int32Array, rollout: Rollout, wanted: number): number => Math.max(1, Math.min(wanted, rollout.maxTokens + 1 - prompt.length));

const stride = 8;
const prefillRows = 512;

export class Rollout {
  private readonly model: Model;
  /** Cache, packed weights and state lie here; between rollouts other phases may write over it. */
  private readonly region: Region;
  private readonly arena: Arena;
  private readonly options: RolloutOptions;
  private readonly blocks: number; // pages a sequence may need
  private readonly caches: PagedCache[];
  private readonly state: SamplerRows & { table: Tensor };
  private readonly references: Int32Array; // of each page
  private freePages: number[];
  private programs = new Map<string, Program>();
  private groups = 0;
  private readonly packBytes: number;
  /** Bytes held beside the arena's programs: cache, packed weights, state. */
  readonly bytes: number;
  /** FLOP of every token fed so far, a group's prompt once; rows that idle until the host looks again do not count. */
  flops = 0;

  constructor(model: Model, arena: Arena, options: RolloutOptions) {
    this.model = model;
    this.options = options;
    const { maxRows, maxTokens, supportCap = 0, cache: type = 'f32' } = options;
    if (maxTokens > model.maxPositions) {
      throw new TiefsucheError('CONFIG', `sampling up to ${maxTokens} tokens needs as many positions; the model has ${model.maxPositions}`);
    }
    this.blocks = Math.ceil(maxTokens / keyBlock);
    const pages = maxRows * this.blocks + this.blocks;
    const { layers } = model.dims, shapes: [Shape, DType][] = [];
    for (let i = 0; i < layers; i++) { const { keys, values } = cacheShapes(type, pages, model.cache); shapes.push(keys, values); }
    const rows = shapes.length, width = stride + 1;
    for (let i = 0; i < 5; i++) shapes.push([[maxRows], 'i32']);
    shapes.push([[16], 'i32'], [[maxRows, width], 'i32'], [[maxRows, width], 'f32'], [[maxRows], 'i32'], [[maxRows, this.blocks], 'i32']);
    if (supportCap > 0) shapes.push([[maxRows, width, supportCap], 'i32'], [[maxRows, width], 'i32']);
    this.packBytes = aligned(model.packedBytes());
    this.bytes = this.packBytes + shapes.reduce((sum, [shape]) => sum + aligned(sizeOf(shape) * 4), 0);
    this.region = arena.reserve(this.bytes);
    this.arena = this.region.arena;
    let offset = this.region.offset + this.packBytes;
    const tensors = shapes.map(([shape, dtype]) => {
      const tensor = fixedTensor(this.region.buffer, offset, shape, dtype, 'rollout');
      offset += aligned(sizeOf(shape) * 4);
      return tensor;
    });
    this.caches = Array.from({ length: layers }, (_, i) => ({ keys: tensors[2 * i]!, values: tensors[2 * i + 1]!, type }));
    const [token, seq, pos, limit, stream, stops, outTokens, outLogp, count, table, ids, sizes] = tensors.slice(rows) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?, Tensor?];
    this.state = { token, seq, pos, limit, stream, stops, outTokens, outLogp, count, table, support: ids && sizes && { ids, sizes } };
    this.references = new Int32Array(pages);
    this.freePages = Array.from({ length: pages }, (_, i) => pages - 1 - i);
  }

  /** Copies the weights into the layout that decoding reads. To be called again after each change of the weights. */
  async refresh(): Promise<void> {
    const tape = new Tape({ training: false });
    this.model.pack(tape, this.region.buffer, this.region.offset);
    await execute(tape.finish(this.arena));
    this.programs.clear();
  }

  /** Of JavaScript, for the answers to as many requests as there are rows: numbers, and a small array a token for its support. */
  get answerBytes(): number {
    const { maxRows, maxTokens, supportCap = 0 } = this.options;
    return maxRows * maxTokens * (supportCap > 0 ? 100 + 4 * Math.min(supportCap, 32) : 24);
  }

  get rows(): number { return this.options.maxRows; }
  get maxTokens(): number { return this.options.maxTokens; }

  /** The largest programs of this sampler, recorded and not run. */
  plan(settings: SamplerSettings): Program[] {
    const { maxRows } = this.options, prompts = Array.from({ length: prefillRows }, () => ({ id: 0, seq: 0, pos: 0 }));
    return [this.prefillProgram(prompts, new Int32Array(maxRows * this.blocks)), this.decodeProgram(maxRows, settings)];
  }

  /** Samples all requests; result[request][sample]. */
  async generate(requests: readonly SampleRequest[], options: GenerateOptions): Promise<Completion[][]> {
    invariant(options.stops.length <= 16, 'at most 16 stop tokens');
    const results: Completion[][] = requests.map((r) => new Array<Completion>(r.streams.length));
    const stops = new Int32Array(16).fill(-1);
    stops.set(options.stops);
    this.upload(this.state.stops, stops);
    const waiting = requests.flatMap((request, index) => this.split(request, index));
    let rows: Row[] = [];
    while (rows.length > 0 || waiting.length > 0) {
      if (options.cancel?.cancelled) throw new TiefsucheError('STOPPED', 'sampling was stopped');
      const entered: Row[] = [];
      while (waiting.length > 0) {
        const next = waiting[0]!;
        if (rows.length + entered.length + next.samples.length > this.options.maxRows || this.pagesNeeded(next) > this.freePages.length) break;
        waiting.shift();
        entered.push(...this.admit(next));
      }
      invariant(rows.length + entered.length > 0, 'no request fits the cache');
      if (entered.length > 0) await this.prefill(entered);
      rows.push(...entered);
      rows = await this.decode(rows, results, options);
    }
    return results;
  }

  /** Parts of a request that fit the rows; the parts share one prompt computation each. */
  private split(request: SampleRequest, index: number): { request: SampleRequest; index: number; samples: number[] }[] {
    const n = request.prompt.length;
    if (n === 0) throw new TiefsucheError('INPUT', 'the prompt is empty');
    if (n - 1 + request.maxNew > this.options.maxTokens) {
      throw new TiefsucheError('INPUT', `a prompt of ${n} tokens and ${request.maxNew} new ones do not fit ${this.options.maxTokens}`, { hint: 'Shorten the prompt, or ask for fewer tokens.' });
    }
    const parts = [];
    for (let from = 0; from < request.streams.length; from += this.options.maxRows) {
      parts.push({ request, index, samples: request.streams.slice(from, from + this.options.maxRows).map((_, i) => from + i) });
    }
    return parts;
  }

  private pagesNeeded({ request: { prompt, maxNew }, samples }: { request: SampleRequest; samples: number[] }): number {
    const shared = Math.floor((prompt.length - 1) / keyBlock);
    return shared + samples.length * (Math.ceil((prompt.length - 1 + maxNew) / keyBlock) - shared);
  }

  private takePage(): number {
    const page = this.freePages.pop()!;
    this.references[page] = 1;
    return page;
  }

  private release(row: Row): void {
    for (const page of row.pages) if (--this.references[page]! === 0) this.freePages.push(page);
  }

  private admit({ request, index, samples }: { request: SampleRequest; index: number; samples: number[] }): Row[] {
    const { prompt, maxNew, streams } = request;
    const filled = prompt.length - 1, shared = Math.floor(filled / keyBlock), total = Math.ceil((filled + maxNew) / keyBlock);
    const common = Array.from({ length: shared }, () => this.takePage());
    for (const page of common) this.references[page] = samples.length;
    const group = this.groups++;
    return samples.map((s) => ({
      group, request: index, sample: s, pages: [...common, ...Array.from({ length: total - shared }, () => this.takePage())],
      pos: filled, limit: filled + maxNew, stream: streams[s]!, token: prompt[filled]!, tokens: [], logp: [], support: [], prompt,
    }));
  }

  /** Fills the cache with the prompts of newly admitted rows, each prompt once. */
  private async prefill(rows: Row[]): Promise<void> {
    const groups = new Map<number, Row[]>();
    for (const row of rows) groups.set(row.group, [...(groups.get(row.group) ?? []), row]);
    const tokens: { id: number; seq: number; pos: number }[] = [];
    const copies: [number, number][] = [];
    const owners = [...groups.values()].map((g) => g[0]!);
    owners.forEach((owner, seq) => {
      const { prompt } = owner;
      for (let p = 0; p < prompt.length - 1; p++) tokens.push({ id: prompt[p]!, seq, pos: p });
      const last = Math.floor((prompt.length - 1) / keyBlock);
      if ((prompt.length - 1) % keyBlock > 0) for (const other of groups.get(owner.group)!.slice(1)) copies.push([owner.pages[last]!, other.pages[last]!]);
    });
    const table = new Int32Array(owners.length * this.blocks);
    owners.forEach((owner, seq) => table.set(owner.pages, seq * this.blocks));
    for (let from = 0; from < tokens.length; from += prefillRows) {
      const part = tokens.slice(from, from + prefillRows), program = this.prefillProgram(part, table);
      await execute(program);
      this.count(program, part.length, part.map((t) => t.pos));
    }
    if (copies.length === 0) return;
    const tape = new Tape({ training: false });
    const from = tape.input(Int32Array.from(copies, (c) => c[0])), to = tape.input(Int32Array.from(copies, (c) => c[1]));
    for (const cache of this.caches) cacheCopy(tape, cache, from, to);
    await execute(tape.finish(this.arena));
  }

  private prefillProgram(tokens: readonly { id: number; seq: number; pos: number }[], table: Int32Array): Program {
    const tape = new Tape({ training: false });
    const paged: PagedRows = {
      table: tape.input(table, [table.length / this.blocks, this.blocks], 'table'),
      rowSeq: tape.input(Int32Array.from(tokens, (t) => t.seq)), rowPos: tape.input(Int32Array.from(tokens, (t) => t.pos)),
    };
    this.model.decode(tape, tape.input(Int32Array.from(tokens, (t) => t.id)), paged, this.caches);
    return tape.finish(this.arena);
  }

  /** Adds the work for tokens at these positions by a program of that many rows: products are alike for all rows, attention is not. */
  private count(program: Program, rows: number, positions: readonly number[]): void {
    this.flops += (program.flops.sampling / rows) * positions.length;
    for (const { kernel, attributes } of program.commands) {
      if (kernel === 'attentionCached') for (const pos of positions) this.flops += attentionCachedFlops(attributes, pos);
    }
  }

  /** Feeds and samples `stride` tokens of all rows; returns the rows that go on. */
  private async decode(rows: Row[], results: Completion[][], options: GenerateOptions): Promise<Row[]> {
    const B = rows.length, { state } = this;
    const ints = (f: (row: Row) => number): Int32Array => Int32Array.from(rows, f);
    this.upload(state.token, ints((r) => r.token));
    this.upload(state.seq, Int32Array.from(rows.keys()));
    this.upload(state.pos, ints((r) => r.pos));
    this.upload(state.limit, ints((r) => r.limit));
    this.upload(state.stream, ints((r) => r.stream));
    this.upload(state.count, new Int32Array(B));
    const table = new Int32Array(B * this.blocks);
    rows.forEach((row, b) => table.set(row.pages, b * this.blocks));
    this.upload(state.table, table);
    const program = this.decodeProgram(B, options.settings);
    const running = execute(program, { repeat: stride, ...(options.cancel && { cancel: options.cancel }) });
    faultPoint('rollout.running');
    await running;

    const width = stride + 1;
    const counts = this.ints(state.count, B);
    this.count(program, B, rows.flatMap((row, b) => Array.from({ length: counts[b]! }, (_, i) => row.pos + i)));
    const tokens = this.ints(state.outTokens, B * width), seq = this.ints(state.seq, B);
    const logp = new Float32Array(B * width);
    this.model.backend.download(state.outLogp.storage.buffer!, state.outLogp.storage.offset, logp);
    const cap = this.options.supportCap ?? 0;
    const sizes = state.support ? this.ints(state.support.sizes, B * width) : null;
    const ids = state.support && sizes!.some((n) => n > 0) ? this.ints(state.support.ids, B * width * cap) : null;
    return rows.filter((row, b) => {
      const n = counts[b]!, at = b * width;
      for (let i = at; i < at + n; i++) {
        row.tokens.push(tokens[i]!);
        row.logp.push(logp[i]!);
        if (sizes) row.support.push(ids && sizes[i]! > 0 ? ids.slice(i * cap, i * cap + sizes[i]!) : new Int32Array(0));
      }
      row.pos += n;
      if (n > 0) row.token = row.tokens[row.tokens.length - 1]!;
      options.onTokens?.(row.request, row.sample, tokens.slice(at, at + n));
      if (seq[b]! >= 0) return true;
      this.release(row);
      const completion: Completion = {
        tokens: Int32Array.from(row.tokens), logp: Float32Array.from(row.logp), support: sizes ? row.support : null,
        finish: options.stops.includes(row.token) ? 'stop' : 'length',
      };
      results[row.request]![row.sample] = completion;
      options.onCompletion?.(row.request, row.sample, completion);
      return false;
    });
  }

  private decodeProgram(B: number, settings: SamplerSettings): Program {
    const key = `${B} ${JSON.stringify(settings)}`;
    const known = this.programs.get(key);
    if (known) return known;
    const tape = new Tape({ training: false });
    const first = (t: Tensor): Tensor => ({ ...t, shape: [B, ...t.shape.slice(1)] });
    const s = this.state;
    const rows: SamplerRows = {
      ...s, token: first(s.token), seq: first(s.seq), pos: first(s.pos), limit: first(s.limit), stream: first(s.stream), count: first(s.count),
      outTokens: first(s.outTokens), outLogp: first(s.outLogp), support: s.support && { ids: first(s.support.ids), sizes: first(s.support.sizes) },
    };
    const hidden = this.model.decode(tape, rows.token, { table: first(s.table), rowSeq: rows.seq, rowPos: rows.pos }, this.caches);
    sample(tape, this.model.logits(tape, hidden), rows, settings);
    const program = tape.finish(this.arena);
    if (this.programs.size > 64) this.programs.clear();
    this.programs.set(key, program);
    return program;
  }

  private upload(t: Tensor, data: Int32Array): void { this.model.backend.upload(t.storage.buffer!, t.storage.offset, data); }

  private ints(t: Tensor, n: number): Int32Array {
    const data = new Int32Array(n);
    this.model.backend.download(t.storage.buffer!, t.storage.offset, data);
    return data;
  }

  /** Gives the memory back, and the model its plain weights. */
  close(): void {
    this.model.unpack();
    this.region.release();
  }
}
