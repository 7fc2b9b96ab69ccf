// A program is a recorded step: commands in order, an arena size, the host data to upload first.
// Planning: every planned storage lives from its first to its last command. Storages whose lives do not meet may share
// bytes. Walking the commands once with a best-fit free list gives offsets; the highest end is the arena's size.

import { invariant } from '../errors.ts';
import type { Backend, RunOptions } from './backend.ts';
import { kernels } from './ops/index.ts';
import type { RowRun } from './row-runs.ts';
import { type DeviceBuffer, type Storage, type Tensor, aligned, alignment, bytesPerElement, sizeOf } from './tensor.ts';
import type { Flops } from './kernel.ts';

export interface Command { readonly kernel: string; readonly tensors: readonly (Tensor | null)[]; readonly attributes: readonly number[]; /** Recomputes what was computed before. */ readonly again?: boolean }

export interface Upload { readonly tensor: Tensor; readonly data: Float32Array | Int32Array }

export interface Program {
  readonly commands: readonly Command[];
  /** Parts of `commands` that may be done block by block of rows. */
  readonly runs: readonly RowRun[];
  readonly uploads: readonly Upload[];
  readonly arena: Arena;
  readonly arenaBytes: number;
  readonly flops: Flops;
  /** The backend's own encoding, made at the first run. */
  encoded?: unknown;
}

/** Even nothing gets a place of its own. */
const roomFor = (bytes: number): number => aligned(Math.max(bytes, 1));

/** Memory that someone holds beside the arena's programs for a phase. */
export interface Region {
  readonly buffer: DeviceBuffer;
  readonly offset: number;
  /** For programs that run while the region is held. */
  readonly arena: Arena;
  release(): void;
}

/**
 * One device buffer that all programs of a run share, one after another. With a size it is allocated once, and a program
 * that does not fit is a mistake in the plan; without one it grows when a larger program comes.
 */
export class Arena {
  private buffer: DeviceBuffer | null = null;
  private readonly limit: number | null;
  private readonly lowerPartOf: Arena | null;
  readonly backend: Backend;

  constructor(backend: Backend, bytes: number | null = null, lowerPartOf: Arena | null = null) {
    this.backend = backend;
    this.limit = bytes;
    this.lowerPartOf = lowerPartOf;
    if (bytes !== null && !lowerPartOf) this.buffer = backend.allocate(roomFor(bytes));
  }

  get bytes(): number { return this.limit ?? this.buffer?.bytes ?? 0; }

  current(): DeviceBuffer {
    if (this.lowerPartOf) return this.lowerPartOf.current();
    invariant(this.buffer, 'arena used before any program was planned');
    return this.buffer;
  }

  fit(bytes: number): void {
    if (this.limit !== null) return invariant(bytes <= this.limit, `a program needs ${bytes} bytes, ${this.limit} were planned`);
    if (this.buffer && this.buffer.bytes >= bytes) return;
    if (this.buffer) this.backend.free(this.buffer);
    this.buffer = this.backend.allocate(roomFor(bytes));
  }

  /** Room for a phase: the upper end of a planned arena, where the programs of other phases write too, or memory of its own. */
  reserve(bytes: number): Region {
    if (this.limit === null) {
      const buffer = this.backend.allocate(roomFor(bytes));
      return { buffer, offset: 0, arena: this, release: () => this.backend.free(buffer) };
    }
    const offset = Math.floor((this.limit - bytes) / alignment) * alignment;
    invariant(offset >= 0, `a region of ${bytes} bytes, ${this.limit} were planned`);
    return { buffer: this.current(), offset, arena: new Arena(this.backend, offset, this), release: () => {} };
  }

  close(): void {
    if (this.buffer) this.backend.free(this.buffer);
    this.buffer = null;
  }
}

/**
 * Assigns an offset to every planned storage. Returns the bytes needed. `pinned` storages live to the end, uploads from the
 * start, and what a run of rows uses to the end of the run, whose commands take place side by side.
 */
export function planStorage(commands: readonly Command[], runs: readonly RowRun[], pinned: ReadonlySet<Storage>, fromStart: ReadonlySet<Storage>): number {
  const lastUse = new Map<Storage, number>(), done = Array.from(commands.keys());
  for (const { first, members } of runs) done.fill(first + members.length - 1, first, first + members.length);
  commands.forEach((command, i) => {
    for (const t of command.tensors) if (t && t.storage.buffer === null) lastUse.set(t.storage, done[i]!);
  });
  for (const s of pinned) lastUse.set(s, commands.length);
  const freeAfter: Storage[][] = Array.from({ length: commands.length + 1 }, () => []);
  for (const [s, i] of lastUse) freeAfter[i]!.push(s);

  const holes: { start: number; end: number }[] = []; // sorted by start, never touching
  let top = 0;
  const take = (bytes: number): number => {
    let best = -1;
    for (let i = 0; i < holes.length; i++) {
      const room = holes[i]!.end - holes[i]!.start;
      if (room >= bytes && (best < 0 || room < holes[best]!.end - holes[best]!.start)) best = i;
    }
    if (best >= 0) {
      const hole = holes[best]!;
      const at = hole.start;
      hole.start += bytes;
      if (hole.start === hole.end) holes.splice(best, 1);
      return at;
    }
    const last = holes[holes.length - 1];
    if (last && last.end === top) { // extend the hole at the top
      holes.pop();
      top = last.start + bytes;
      return last.start;
    }
    top += bytes;
    return top - bytes;
  };
  const give = (start: number, bytes: number): void => {
    const end = start + bytes;
    let i = 0;
    while (i < holes.length && holes[i]!.start < start) i++;
    holes.splice(i, 0, { start, end });
    if (i + 1 < holes.length && holes[i + 1]!.start === end) { holes[i]!.end = holes[i + 1]!.end; holes.splice(i + 1, 1); }
    if (i > 0 && holes[i - 1]!.end === start) { holes[i - 1]!.end = holes[i]!.end; holes.splice(i, 1); }
  };

  const placed = new Set<Storage>();
  let highest = 0;
  const place = (s: Storage): void => {
    if (placed.has(s)) return;
    placed.add(s);
    s.offset = take(roomFor(s.bytes));
    highest = Math.max(highest, s.offset + roomFor(s.bytes));
  };
  for (const s of fromStart) if (lastUse.has(s)) place(s);
  commands.forEach((command, i) => {
    for (const t of command.tensors) if (t && t.storage.buffer === null) place(t.storage);
    for (const s of freeAfter[i]!) give(s.offset, roomFor(s.bytes));
  });
  return highest;
}

/** Uploads the program's inputs and runs it. */
export async function execute(program: Program, options: RunOptions = {}): Promise<void> {
  if (program.commands.length === 0) return;
  const { backend } = program.arena;
  for (const { tensor, data } of program.uploads) backend.upload(...place(program, tensor), data);
  await backend.run(program, options);
}

/** Buffer and byte offset of a tensor in this program. */
export function place(program: Program, t: Tensor): [DeviceBuffer, number] {
  const buffer = t.storage.buffer ?? program.arena.current();
  return [buffer, t.storage.offset + t.offset * bytesPerElement[t.dtype]];
}

/** Copies a tensor without gaps to the host; after a run only outputs and fixed tensors are still there. */
export function read(program: Program, t: Tensor): Float32Array {
  invariant(t.dtype === 'f32', 'read is for f32, readInts for i32');
  const into = new Float32Array(sizeOf(t.shape));
  program.arena.backend.download(...place(program, t), into);
  return into;
}

export function readInts(program: Program, t: Tensor): Int32Array {
  invariant(t.dtype === 'i32', 'readInts is for i32');
  const into = new Int32Array(sizeOf(t.shape));
  program.arena.backend.download(...place(program, t), into);
  return into;
}

export function countFlops(commands: readonly Command[], sampling: boolean): Flops {
  const flops: Flops = { model: 0, recompute: 0, sampling: 0 };
  for (const c of commands) {
    const counted = kernels.get(c.kernel)?.flops?.(c.attributes);
    if (!counted) continue;
    if (sampling) flops.sampling += (counted.model ?? 0) + (counted.recompute ?? 0);
    else if (c.again) flops.recompute += (counted.model ?? 0) + (counted.recompute ?? 0);
    else { flops.model += counted.model ?? 0; flops.recompute += counted.recompute ?? 0; }
  }
  return flops;
}
