// The cpu backend: native kernels (native/) on a thread pool, driven by one call a program.
// Encoding of a command: kernel id, number of tensors, number of attributes, (buffer index, byte offset) of each tensor,
// attributes; all doubles. Buffer 0 is the arena, −1 means absent.
// Jobs, in the order of the program. A run of rows: first command, number of commands, rows; for each command attribute 0
// of one row and, for each of its tensors, the bytes from row to row. Chains side by side: first command, number of
// commands, 0, number of chains, the commands of each.

import { createRequire } from 'node:module';
import { TiefsucheError, invariant } from '../../../errors.ts';
import type { Backend, BackendInfo, RunOptions } from '../../backend.ts';
import { type FileRows, storedTypes } from '../../file-rows.ts';
import type { Program } from '../../program.ts';
import type { RowRun } from '../../row-runs.ts';
import { commandsOf } from '../../side-by-side.ts';
import { type DeviceBuffer, type Storage, type Tensor, bytesPerElement } from '../../tensor.ts';
import { ReferenceBackend, runReference } from '../reference/reference.ts';
import { addonPath, buildLine } from './addon-path.ts';

type Data = Float32Array | Int32Array | Uint8Array;

interface Addon {
  kernels(): string[];
  info(): { isa: string; isas: string[]; threads: number; fma: boolean; cpu: string };
  setThreads(n: number): void;
  allocate(bytes: number): unknown;
  free(handle: unknown): void;
  upload(handle: unknown, byteOffset: number, data: Data): void;
  download(handle: unknown, byteOffset: number, into: Data): void;
  run(buffers: unknown[], program: Float64Array, cancel: Int32Array | null, options: { repeat?: number; profile?: Float64Array; jobs?: Float64Array }): Promise<number>;
  runSync(buffers: unknown[], program: Float64Array, cancel: null, options: null): number;
  scratchBytes?(): number;
}

/** Whether there are native kernels: built here, or from a platform package. */
export const nativeBuilt = (): boolean => addonPath() !== null;

const warned = new Set<string>();

interface Encoded { readonly code: Float64Array; readonly jobs: Float64Array; readonly buffers: DeviceBuffer[] }

export class CpuBackend implements Backend {
  private readonly addon: Addon;
  private readonly ids: ReadonlyMap<string, number>;
  private readonly names: readonly string[];
  readonly fill?: NonNullable<Backend['fill']>;

  constructor() {
    const path = addonPath();
    if (path === null) throw new TiefsucheError('BACKEND', 'the native kernels are not built', { hint: `Run \`${buildLine}\`; it needs a C++ compiler.` });
    try {
      this.addon = createRequire(import.meta.url)(path) as Addon;
    } catch (cause) {
      throw new TiefsucheError('BACKEND', `the native kernels do not load: ${(cause as Error).message}`, { cause, hint: `Build them again with \`${buildLine}\`.` });
    }
    this.names = this.addon.kernels();
    this.ids = new Map(this.names.map((name, i) => [name, i]));
    // Windows numbers files by C library, and the addon has another one than Node.
    if (process.platform !== 'win32' && this.ids.has('fileRows')) this.fill = (buffer, byteOffset, rows) => this.fillFromFile(buffer, byteOffset, rows);
  }

  info(): BackendInfo {
    const { isa, threads, fma } = this.addon.info();
    return { name: 'cpu', isa, threads, exact: fma };
  }

  /** Threads of the pool, shared by everything in this process. */
  setThreads(n: number): void { this.addon.setThreads(n); }

  has(kernel: string): boolean { return this.ids.has(kernel); }

  allocate(bytes: number): DeviceBuffer {
    try {
      return { bytes, handle: this.addon.allocate(bytes) };
    } catch (cause) {
      throw new TiefsucheError('MEMORY', `could not allocate ${(bytes / 2 ** 20).toFixed(0)} MiB`, { cause, hint: 'Use a smaller model, batch or context; --plan shows what fits.' });
    }
  }

  free(buffer: DeviceBuffer): void { this.addon.free(buffer.handle); }
  upload(buffer: DeviceBuffer, byteOffset: number, data: Data): void { this.addon.upload(buffer.handle, byteOffset, data); }
  download(buffer: DeviceBuffer, byteOffset: number, into: Data): void { this.addon.download(buffer.handle, byteOffset, into); }

  private fillFromFile(buffer: DeviceBuffer, byteOffset: number, { fd, position, fileType, rows, K, first, headDim, as }: FileRows): boolean {
    try {
      this.addon.runSync([buffer.handle], Float64Array.of(this.ids.get('fileRows')!, 1, 8, 0, byteOffset, fd, position, storedTypes.indexOf(fileType), rows, K, first, headDim, as === 'f32' ? 1 : 0), null, null);
      return true;
    } catch (cause) {
      if ((cause as Error).message.includes('a weight is no number')) return false;
      throw new TiefsucheError('INPUT', `weights could not be read: ${(cause as Error).message}`, { cause, hint: 'The file may have been changed, or its disk removed, while it was being read.' });
    }
  }

  async run(program: Program, options: RunOptions = {}): Promise<void> {
    if (program.commands.some((c) => !this.ids.has(c.kernel))) return this.runBorrowing(program, options);
    const { repeat = 1, cancel, profile } = options;
    const { code, jobs, buffers } = (program.encoded ??= this.encode(program)) as Encoded;
    const flag = cancel ? new Int32Array(1) : null;
    const watch = flag ? setInterval(() => { if (cancel!.cancelled) flag[0] = 1; }, 20) : null;
    const counters = profile ? new Float64Array(this.names.length * 2) : undefined;
    try {
      buffers[0] = program.arenaBytes > 0 ? program.arena.current() : buffers[1]!; // without planned tensors nothing refers to it
      await this.addon.run(buffers.map((b) => b.handle), code, flag, { repeat, jobs, ...(counters && { profile: counters }) });
    } finally {
      if (watch) clearInterval(watch);
    }
    if (profile && counters) this.names.forEach((name, i) => {
      if (counters[2 * i] === 0) return;
      const entry = profile.get(name) ?? { calls: 0, seconds: 0 };
      profile.set(name, { calls: entry.calls + counters[2 * i]!, seconds: entry.seconds + counters[2 * i + 1]! });
    });
  }

  /** Lets the reference backend run the kernels that are missing here, on copies of their tensors. */
  private async runBorrowing(program: Program, { repeat = 1, ...options }: RunOptions): Promise<void> {
    for (let round = 0; round < repeat; round++) for (const command of program.commands) {
      if (this.ids.has(command.kernel)) {
        await this.run({ ...program, commands: [command], runs: [], sideBySide: [], uploads: [], encoded: undefined }, options);
        continue;
      }
      if (!warned.has(command.kernel)) console.error(`tiefsuche: no native kernel ${command.kernel}; plain JavaScript does it, slowly`);
      warned.add(command.kernel);
      const copies = new Map<Storage, Storage>();
      const reference = new ReferenceBackend();
      for (const t of command.tensors) if (t && !copies.has(t.storage)) {
        const buffer = reference.allocate(t.storage.bytes);
        this.download(t.storage.buffer ?? program.arena.current(), t.storage.offset, new Uint8Array(buffer.handle as ArrayBuffer));
        copies.set(t.storage, { ...t.storage, buffer, offset: 0 });
      }
      runReference(program, { ...command, tensors: command.tensors.map((t) => t && { ...t, storage: copies.get(t.storage)! }) });
      for (const [original, copy] of copies) {
        this.upload(original.buffer ?? program.arena.current(), original.offset, new Uint8Array(copy.buffer!.handle as ArrayBuffer));
      }
    }
  }

  private encode(program: Program): Encoded {
    const buffers: DeviceBuffer[] = [undefined as never];
    const index = new Map<DeviceBuffer, number>();
    const code = new Float64Array(program.commands.reduce((words, { tensors, attributes }) => words + 3 + 2 * tensors.length + attributes.length, 0));
    let at = 0;
    for (const { kernel, tensors, attributes } of program.commands) {
      const id = this.ids.get(kernel);
      invariant(id !== undefined, `the cpu backend has no kernel ${kernel}`);
      code[at++] = id;
      code[at++] = tensors.length;
      code[at++] = attributes.length;
      for (const t of tensors) {
        let buffer = t === null ? -1 : 0;
        if (t !== null && t.storage.buffer !== null) {
          buffer = index.get(t.storage.buffer) ?? buffers.push(t.storage.buffer) - 1;
          index.set(t.storage.buffer, buffer);
        }
        code[at++] = buffer;
        code[at++] = t === null ? 0 : t.storage.offset + t.offset * bytesPerElement[t.dtype];
      }
      code.set(attributes, at);
      at += attributes.length;
    }
    return { code, jobs: Float64Array.from(this.encodeJobs(program)), buffers };
  }

  private encodeJobs(program: Program): number[] {
    const runs = program.runs.map((run) => this.encodeRun(program, run));
    const chains = program.sideBySide.map((group) => [group.first, commandsOf(group), 0, group.lengths.length, ...group.lengths]);
    return [...runs, ...chains].sort((a, b) => a[0]! - b[0]!).flat();
  }

  private encodeRun({ commands }: Program, { first, rows, members }: RowRun): number[] {
    const bytes = (t: Tensor | null): number => (t ? bytesPerElement[t.dtype] : 0);
    return [first, members.length, rows, ...members.flatMap(({ unit, strides }, i) => [unit, ...commands[first + i]!.tensors.map((t, j) => strides[j]! * bytes(t))])];
  }

  close(): void {}
}
