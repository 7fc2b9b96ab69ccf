// The reference backend: plain TypeScript, one thread, no promise of speed. It defines what every kernel computes; all
// other backends are tested against it, and borrow from it what they lack.

import { TiefsucheError, invariant } from '../../../errors.ts';
import type { Backend, BackendInfo, RunOptions } from '../../backend.ts';
import type { View } from '../../kernel.ts';
import { kernels } from '../../ops/index.ts';
import { type Command, type Program, place } from '../../program.ts';
import { type DeviceBuffer, type Tensor, bytesPerElement } from '../../tensor.ts';

const bytesOf = (buffer: DeviceBuffer): ArrayBuffer => buffer.handle as ArrayBuffer;

/** Typed array from the tensor's first element to the end of its storage. */
function view(program: Program, t: Tensor | null): View {
  if (t === null) return undefined as never; // kernels test optional tensors for truth
  const [buffer, start] = place(program, t);
  const count = (t.storage.offset + t.storage.bytes - start) / bytesPerElement[t.dtype];
  return t.dtype === 'i32' ? new Int32Array(bytesOf(buffer), start, count) as unknown as View : new Float32Array(bytesOf(buffer), start, count);
}

/** Runs one command on views of its tensors. */
export function runReference(program: Program, command: Command): void {
  const kernel = kernels.get(command.kernel);
  invariant(kernel, `no kernel is called ${command.kernel}`);
  kernel.reference(command.tensors.map((t) => view(program, t)), command.attributes);
}

export class ReferenceBackend implements Backend {
  info(): BackendInfo { return { name: 'reference', isa: 'javascript', threads: 1, exact: false }; }

  allocate(bytes: number): DeviceBuffer {
    try {
      return { bytes, handle: new ArrayBuffer(bytes) };
    } catch (cause) {
      throw new TiefsucheError('MEMORY', `could not allocate ${(bytes / 2 ** 20).toFixed(0)} MiB`, { cause, hint: 'Use a smaller model, batch or context; --plan shows what fits.' });
    }
  }

  free(): void {}

  upload(buffer: DeviceBuffer, byteOffset: number, data: Float32Array | Int32Array | Uint8Array): void {
    new Uint8Array(bytesOf(buffer)).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), byteOffset);
  }

  download(buffer: DeviceBuffer, byteOffset: number, into: Float32Array | Int32Array | Uint8Array): void {
    new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(new Uint8Array(bytesOf(buffer), byteOffset, into.byteLength));
  }

  async run(program: Program, { repeat = 1, cancel, profile }: RunOptions = {}): Promise<void> {
    for (let round = 0; round < repeat; round++) for (const command of program.commands) {
      if (cancel?.cancelled) return;
      const start = performance.now();
      runReference(program, command);
      if (profile) {
        const entry = profile.get(command.kernel) ?? { calls: 0, seconds: 0 };
        profile.set(command.kernel, { calls: entry.calls + 1, seconds: entry.seconds + (performance.now() - start) / 1000 });
      }
    }
  }

  close(): void {}
}
