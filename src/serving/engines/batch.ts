// Continuous batching over a paged cache. One step feeds one token of every running sequence in one pass (B rows), then
// reads at most one piece of one prompt, so that a long prompt never holds up the others. A sequence is its token ids;
// those in front of the last must be in the cache before the last is fed and the next is chosen. Nothing else is state:
// one that has to give its pages back (the cache is full, and it is the youngest) waits and is read again later.
// In exact mode a token's value depends on its own prefix alone, so an answer does not depend on who shares the batch.

import { invariant } from '../../errors.ts';
import type { CacheType } from '../../engine/cache-pages.ts';
import { type PagedCache, cacheShapes } from '../../engine/ops/attention-cached.ts';
import { keyBlock } from '../../engine/ops/attention.ts';
import { Arena, type Program, type Region, execute, place, read } from '../../engine/program.ts';
import { Tape } from '../../engine/tape.ts';
import { type Tensor, aligned, bytesPerElement, fixedTensor, sizeOf } from '../../engine/tensor.ts';
import type { Model } from '../../models/model.ts';
import { PieceSize } from './piece-size.ts';
import { PagePool } from './page-pool.ts';

export interface Sequence {
  /** Prompt and answer; grows when a token is chosen, or when some are put in. */
  readonly ids: number[];
  /** Set by whoever wants no more; its place is free after the step in progress. */
  done: boolean;
  /** Called when it gets a place, with the number of tokens that were in the cache already. */
  begun(cached: number): void;
  /** How many of the highest logits decide the next token; null, or not said: all may matter. */
  candidates?(): number | null;
  /** Logits behind the last id: appends the next one, or sets `done`. Those beyond the `candidates` may be −∞. The array is used again afterwards. */
  choose(logits: Float32Array): void;
  /** Instead of choosing: takes the states of all ids after the final norm, (count, C) as they are read, and sets `done` behind the last. */
  readonly take?: (states: Float32Array) => void;
}

/** Ids that are read before the next is chosen. */
const toRead = ({ ids, take }: Sequence): number => (take ? ids.length : ids.length - 1);

interface Place { readonly sequence: Sequence; readonly pages: number[]; filled: number; named: number }

export interface StepReport {
  /** Tokens each sequence had computed for it in this step. */
  readonly tokens: ReadonlyMap<Sequence, number>;
}

export interface BatchOptions {
  readonly slots: number;
  readonly maxTokens: number;
  /** Memory for keys and values; at least one sequence of the longest kind gets its room. */
  readonly cacheBytes: number;
  /** How keys and values are held; f32 unless said. */
  readonly cache?: CacheType;
}

interface Decoder { readonly program: Program; readonly logits: Tensor; readonly token: Int32Array; readonly seq: Int32Array; readonly pos: Int32Array; readonly table: Int32Array }

export class Batch {
  private readonly model: Model;
  private readonly arena: Arena;
  private readonly packed: Region;
  private readonly cacheRegion: Region;
  private readonly caches: PagedCache[];
  private readonly blocks: number;
  private readonly slots: number;
  private readonly pool: PagePool;
  private readonly decoders = new Map<number, Decoder>();
  private readonly logits: Float32Array;
  private active: Place[] = [];
  private waiting: Sequence[] = [];
  private readonly pieces = new PieceSize();

  constructor(model: Model, { slots, maxTokens, cacheBytes, cache: type = 'f32' }: BatchOptions) {
    this.model = model;
    this.slots = slots;
    this.blocks = Math.ceil(maxTokens / keyBlock);
    this.arena = new Arena(model.backend);
    const pageBytes = Batch.tokenBytes(model, type) * keyBlock;
    const pages = Math.max(this.blocks, Math.min(slots * this.blocks, Math.floor(cacheBytes / pageBytes)));
    this.pool = new PagePool(pages);
    const shapes = cacheShapes(type, pages, model.cache), bytes = ([shape, dtype]: typeof shapes.keys): number => aligned(sizeOf(shape) * bytesPerElement[dtype]);
    this.cacheRegion = this.arena.reserve(model.dims.layers * (bytes(shapes.keys) + bytes(shapes.values)));
    let offset = this.cacheRegion.offset;
    const next = (which: typeof shapes.keys): Tensor => {
      const tensor = fixedTensor(this.cacheRegion.buffer, offset, ...which, 'serving cache');
      offset += bytes(which);
      return tensor;
    };
    this.caches = Array.from({ length: model.dims.layers }, () => ({ keys: next(shapes.keys), values: next(shapes.values), type }));
    this.packed = this.arena.reserve(aligned(model.packedBytes()));
    this.logits = new Float32Array(slots * model.dims.vocab);
  }

  /** Bytes of keys and values a token takes. */
  static tokenBytes(model: Model, type: CacheType = 'f32'): number {
    const { keys, values } = cacheShapes(type, 1, model.cache);
    return (model.dims.layers * (sizeOf(keys[0]) * bytesPerElement[keys[1]] + sizeOf(values[0]) * bytesPerElement[values[1]])) / keyBlock;
  }

  /** Lays the weights out as decoding reads them. */
  async open(): Promise<void> {
    const tape = new Tape({ training: false });
    this.model.pack(tape, this.packed.buffer, this.packed.offset);
    await execute(tape.finish(this.arena));
  }

  get busy(): boolean { return this.active.length + this.waiting.length > 0; }
  get freePages(): number { return this.pool.free; }
  get pages(): number { return this.pool.size; }

  add(sequence: Sequence): void { this.waiting.push(sequence); }

  /** One token for everyone who is ready, and one piece of a prompt. */
  async step(): Promise<StepReport> {
    const tokens = new Map<Sequence, number>();
    this.leave();
    this.admit();
    const ready = this.active.filter((p) => p.filled === toRead(p.sequence) && !p.sequence.take && this.makeRoom(p, 1));
    const fed = ready.filter((p) => this.active.includes(p)); // a later one may have lost its place to an earlier one
    if (fed.length > 0) await this.decode(fed);
    for (const p of fed) tokens.set(p.sequence, 1);
    const reader = this.active.find((p) => !p.sequence.done && p.filled < toRead(p.sequence));
    if (reader) {
      const others = this.active.some((p) => p !== reader && !p.sequence.done && p.filled >= toRead(p.sequence));
      const count = Math.min(this.pieces.next(others), toRead(reader.sequence) - reader.filled);
      if (this.makeRoom(reader, count)) {
        await this.read(reader, count);
        tokens.set(reader.sequence, (tokens.get(reader.sequence) ?? 0) + count);
      }
    }
    this.leave();
    return { tokens };
  }

  private leave(): void {
    for (const p of this.active) if (p.sequence.done) this.giveBack(p);
    this.active = this.active.filter((p) => !p.sequence.done);
    this.waiting = this.waiting.filter((s) => !s.done);
  }

  private giveBack(p: Place): void { for (const page of p.pages) this.pool.release(page); }

  private admit(): void {
    while (this.waiting.length > 0 && this.active.length < this.slots) {
      const sequence = this.waiting[0]!, place: Place = { sequence, pages: [], filled: 0, named: 0 };
      const known = sequence.take ? [] : this.knownPages(sequence.ids); // states are not in the cache
      // Room to read it all, so that the newest does not push out its elders at once.
      for (const page of known) this.pool.share(page);
      place.pages.push(...known);
      if (this.pool.free < Math.ceil(sequence.ids.length / keyBlock) - known.length) {
        this.giveBack(place);
        invariant(this.active.length > 0, 'a sequence does not fit the cache');
        return;
      }
      this.waiting.shift();
      place.filled = known.length * keyBlock;
      place.named = known.length;
      this.active.push(place);
      sequence.begun(place.filled);
    }
  }

  /** Pages in the cache that hold the beginning of these ids; the last id must be fed anyway. */
  private knownPages(ids: readonly number[]): number[] {
    const pages: number[] = [];
    while ((pages.length + 1) * keyBlock < ids.length) {
      const page = this.pool.find(pages.at(-1), ids.slice(pages.length * keyBlock, (pages.length + 1) * keyBlock));
      if (page === undefined) break;
      pages.push(page);
    }
    return pages;
  }

  /** Pages for the next `count` positions. The youngest give theirs up; false: this one had to itself. */
  private makeRoom(p: Place, count: number): boolean {
    if (!this.active.includes(p)) return false;
    while (p.pages.length * keyBlock < p.filled + count) {
      const page = this.pool.take();
      if (page !== undefined) { p.pages.push(page); continue; }
      const youngest = this.active.pop()!;
      this.giveBack(youngest);
      this.waiting.unshift(youngest.sequence);
      if (youngest === p) return false;
    }
    return true;
  }

  /** Names the pages that became full. */
  private advance(p: Place, count: number): void {
    p.filled += count;
    for (; (p.named + 1) * keyBlock <= p.filled; p.named++) {
      this.pool.name(p.pages[p.named]!, p.pages[p.named - 1], p.sequence.ids.slice(p.named * keyBlock, (p.named + 1) * keyBlock));
    }
  }

  private async decode(places: readonly Place[]): Promise<void> {
    const { program, logits, token, seq, pos, table } = this.decoder(places.length), vocab = this.model.dims.vocab;
    places.forEach((p, b) => {
      token[b] = p.sequence.ids[p.filled]!;
      seq[b] = b;
      pos[b] = p.filled;
      table.set(p.pages, b * this.blocks);
    });
    await execute(program);
    this.model.backend.download(...place(program, logits), this.logits.subarray(0, places.length * vocab));
    places.forEach((p, b) => {
      this.advance(p, 1);
      if (!p.sequence.done) p.sequence.choose(this.logits.subarray(b * vocab, (b + 1) * vocab));
    });
  }

  private decoder(rows: number): Decoder {
    const known = this.decoders.get(rows);
    if (known) return known;
    const tape = new Tape({ training: false }), ints = (n: number): Int32Array => new Int32Array(n);
    const token = ints(rows), seq = ints(rows), pos = ints(rows), table = ints(rows * this.blocks);
    const hidden = this.model.decode(tape, tape.input(token), { table: tape.input(table, [rows, this.blocks]), rowSeq: tape.input(seq), rowPos: tape.input(pos) }, this.caches);
    const logits = tape.output(this.model.logits(tape, hidden));
    const decoder = { program: tape.finish(this.arena), logits, token, seq, pos, table };
    this.decoders.set(rows, decoder);
    return decoder;
  }

  private async read(p: Place, count: number): Promise<void> {
    const begun = performance.now(), tape = new Tape({ training: false }), table = new Int32Array(this.blocks);
    table.set(p.pages);
    const rows = { table: tape.input(table, [1, this.blocks]), rowSeq: tape.input(new Int32Array(count)), rowPos: tape.input(Int32Array.from({ length: count }, (_, i) => p.filled + i)) };
    const hidden = this.model.decode(tape, tape.input(Int32Array.from(p.sequence.ids.slice(p.filled, p.filled + count))), rows, this.caches);
    const states = p.sequence.take && tape.output(hidden), program = tape.finish(this.arena);
    await execute(program);
    this.advance(p, count);
    if (states && !p.sequence.done) p.sequence.take!(read(program, states));
    this.pieces.took(count, (performance.now() - begun) / 1000);
  }

  close(): void {
    this.model.unpack();
    this.packed.release();
    this.cacheRegion.release();
    this.arena.close();
  }
}
