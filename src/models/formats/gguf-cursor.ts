// Walks the front part of a GGUF file (keys and tensor infos, some megabytes of a file of gigabytes) through a window
// of 1 MiB, with every length checked against what is left of the file.

import { formatError } from './format-error.ts';
import type { RandomAccessFile } from './random-access-file.ts';

const windowSize = 1 << 20;

export class GgufCursor {
  readonly path: string;
  readonly #file: RandomAccessFile;
  #position = 0;
  #windowStart = 0;
  #window: DataView<ArrayBuffer> = new DataView(new ArrayBuffer(0));
  readonly #text = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(file: RandomAccessFile) {
    this.#file = file;
    this.path = file.path;
  }

  get position(): number { return this.#position; }
  get remaining(): number { return this.#file.size - this.#position; }

  /** Offset in the window of the next `length` bytes (at most 8), which are then used up. */
  #take(length: number): number {
    const at = this.#position;
    if (length > this.remaining) throw formatError(this.path, `it ends at byte ${this.#file.size}, inside its header`);
    if (at < this.#windowStart || at + length > this.#windowStart + this.#window.byteLength) {
      this.#window = new DataView(this.#file.read(at, Math.min(windowSize, this.remaining)).buffer);
      this.#windowStart = at;
    }
    this.#position = at + length;
    return at - this.#windowStart;
  }

  u8(): number { const at = this.#take(1); return this.#window.getUint8(at); }
  i8(): number { const at = this.#take(1); return this.#window.getInt8(at); }
  u16(): number { const at = this.#take(2); return this.#window.getUint16(at, true); }
  i16(): number { const at = this.#take(2); return this.#window.getInt16(at, true); }
  u32(): number { const at = this.#take(4); return this.#window.getUint32(at, true); }
  i32(): number { const at = this.#take(4); return this.#window.getInt32(at, true); }
  f32(): number { const at = this.#take(4); return this.#window.getFloat32(at, true); }
  f64(): number { const at = this.#take(8); return this.#window.getFloat64(at, true); }
  u64(): bigint { const at = this.#take(8); return this.#window.getBigUint64(at, true); }
  i64(): bigint { const at = this.#take(8); return this.#window.getBigInt64(at, true); }

  /** A u64 that must be an exact number. */
  size(): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw formatError(this.path, `the number ${value} at byte ${this.#position - 8} is absurdly large`);
    return Number(value);
  }

  /** A u64 that counts things of at least `smallest` bytes each, so it is bounded by what is left of the file. */
  count(smallest: number, most: number, things: string): number {
    const value = this.size();
    if (value * smallest > this.remaining) throw formatError(this.path, `it claims ${value} ${things}, but only ${this.remaining} bytes are left`);
    if (value > most) throw formatError(this.path, `it has ${value} ${things}; at most ${most} are read`);
    return value;
  }

  /** A string: u64 length, then UTF-8. Wrong UTF-8 becomes U+FFFD, as vocabularies in the wild hold pieces of characters. */
  string(longest: number): string {
    const length = this.count(1, longest, 'characters in a string');
    if (length <= 4096) {
      let at = 0;
      if (length > 0) at = this.#take(length);
      return this.#text.decode(new Uint8Array(this.#window.buffer, at, length));
    }
    const bytes = this.#file.read(this.#position, length);
    this.#position += length;
    return this.#text.decode(bytes);
  }

  /** Plain bytes, in a buffer of their own. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#file.read(this.#position, length);
    this.#position += length;
    return bytes;
  }
}
