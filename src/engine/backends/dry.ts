// A backend that only counts: models, optimisers and programs can be made on it at full size without a byte of memory, to
// learn what they would take. Nothing can be computed or read back.

import type { Backend, BackendInfo } from '../backend.ts';
import type { DeviceBuffer } from '../tensor.ts';

export class DryBackend implements Backend {
  /** Bytes allocated and not freed. */
  bytes = 0;

  info(): BackendInfo { return { name: 'dry', isa: 'none', threads: 1, exact: true }; }
  allocate(bytes: number): DeviceBuffer { this.bytes += bytes; return { bytes, handle: null }; }
  free(buffer: DeviceBuffer): void { this.bytes -= buffer.bytes; }
  upload(): void {}
  download(): void {}
  async run(): Promise<void> {}
  close(): void {}
}
