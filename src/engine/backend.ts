// What every backend offers: memory, copies, and running a recorded program. The kernels themselves are looked up by
// name, so that an op is added without touching this interface.

import type { FileRows } from './file-rows.ts';
import type { DeviceBuffer } from './tensor.ts';
import type { Program } from './program.ts';

export interface BackendInfo {
  readonly name: string;
  /** Instruction set or device, e.g. avx512. */
  readonly isa: string;
  readonly threads: number;
  /** The promise of exact mode: the same bits with any number of threads and on any instruction set. */
  readonly exact: boolean;
}

export interface RunOptions {
  /** Runs the program this many times in a row in one call (decoding: the state advances on the device). */
  readonly repeat?: number;
  /** Stops between two commands when it becomes true. */
  readonly cancel?: { readonly cancelled: boolean };
  /** Seconds and calls by kernel name are added up here. */
  readonly profile?: Map<string, { calls: number; seconds: number }>;
}

export interface Backend {
  info(): BackendInfo;
  /** Zeroed memory. Throws MEMORY when there is none. */
  allocate(bytes: number): DeviceBuffer;
  free(buffer: DeviceBuffer): void;
  upload(buffer: DeviceBuffer, byteOffset: number, data: Float32Array | Int32Array | Uint8Array): void;
  download(buffer: DeviceBuffer, byteOffset: number, into: Float32Array | Int32Array | Uint8Array): void;
  /** Reads rows of a weight, which begins at `byteOffset`, out of a file; false where one of them is no number. A backend without it is given the bytes. */
  fill?(buffer: DeviceBuffer, byteOffset: number, rows: FileRows): boolean;
  /** Executes the commands in order, off the event loop. */
  run(program: Program, options?: RunOptions): Promise<void>;
  close(): void;
}
