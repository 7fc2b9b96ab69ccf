// A program is a recorded step: commands in order, an arena size (storage-plan.ts), the host data to upload first.

import { invariant } from '../errors.ts';
import type { Backend, RunOptions } from './backend.ts';
import { kernels } from './ops/index.ts';
import type { RowRun } from './row-runs.ts';
import type { Chain, SideBySide } from './side-by-side.ts';
import { roomFor } from './storage-plan.ts';
import { type DeviceBuffer, type Tensor, alignment, bytesPerElement, sizeOf } from './tensor.ts';
import type { Flops } from './kernel.ts';

export interface Command {
  readonly kernel: string;
  readonly tensors: readonly (Tensor | null)[];
  readonly attributes: readonly number[];
  /** Recomputes what was computed before. */
  readonly again?: boolean;
  readonly chain?: Chain | undefined;
}

export interface Upload { readonly tensor: Tensor; readonly data: Float32Array | Int32Array }

export interface Program {
  readonly commands: readonly Command[];
  /** Parts of `commands` that may be done block by block of rows. */
  readonly runs: readonly RowRun[];
  /** Other parts, whose chains may be done at the same time. */
  readonly sideBySide: readonly SideBySide[];
  readonly uploads: readonly Upload[];
  readonly arena: Arena;
  readonly arenaBytes: number;
  readonly flops: Flops;
  /** The backend's own encoding, made at the first run. */
  encoded?: unknown;
}

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

  /** Offsets of storages by their lives, where placing them tightly took thought (storage-plan.ts). */
  readonly tightPlans = new Map<string, readonly number[]>();

  /** Whether a program of this size needs no more than there is. */
  fits(bytes: number): boolean { return bytes <= this.bytes; }

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

/** Uploads the program's inputs and runs it. The arena grows if it must. */
export async function execute(program: Program, options: RunOptions = {}): Promise<void> {
  if (program.commands.length === 0) return;
  const { backend } = program.arena;
  program.arena.fit(program.arenaBytes);
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
