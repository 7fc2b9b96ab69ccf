// Counter-based random numbers: word = Philox4x32-10(key = seed, counter = (block, stream)). There is no state to save:
// a number is a pure function of (seed, stream, counter), so a run, its replay and any number of threads draw the same
// ones. Only 32-bit integer operations, to be written again line by line in C++ for the sampler.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, section 3.3.

const multiplier0 = 0xd2511f53;
const multiplier1 = 0xcd9e8d57;
const weyl0 = 0x9e3779b9;   // golden ratio
const weyl1 = 0xbb67ae85;   // square root of 3, minus 1
const two32 = 2 ** 32;

/** High 32 bits of the product of two 32-bit words, from 16-bit halves: every intermediate is below 2^32. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff, aHigh = a >>> 16, bLow = b & 0xffff, bHigh = b >>> 16;
  const upper = aHigh * bLow + ((aLow * bLow) >>> 16);
  const lower = aLow * bHigh + (upper & 0xffff);
  return (aHigh * bHigh + (upper >>> 16) + (lower >>> 16)) >>> 0;
}

export type Block = [number, number, number, number];

/** One block of Philox4x32-10: four words of counter and two of key to four random words. */
export function philox(counter: Readonly<Block>, key: readonly [number, number]): Block {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(multiplier0, c0), low0 = Math.imul(multiplier0, c0);
    const high1 = multiplyHigh(multiplier1, c2), low1 = Math.imul(multiplier1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + weyl0) >>> 0;
    k1 = (k1 + weyl1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** The four words of block `block` of a stream; each argument is a whole number from 0 to 2^53 - 1. */
export function randomBlock(seed: number, stream: number, block: number): Block {
  return philox(
    [block >>> 0, Math.floor(block / two32), stream >>> 0, Math.floor(stream / two32)],
    [seed >>> 0, Math.floor(seed / two32)],
  );
}

/** Random word number `counter` of a stream, 0 … 2^32 - 1: word (counter mod 4) of block (counter div 4). */
export function random(seed: number, stream: number, counter: number): number {
  return randomBlock(seed, stream, Math.floor(counter / 4))[counter % 4]!;
}

/** Walks through one stream. `counter` is the number of words taken, and with (seed, stream) all there is to know. */
export class RandomStream {
  readonly seed: number;
  readonly stream: number;
  counter = 0;
  private block: Block = [0, 0, 0, 0];

  constructor(seed: number, stream = 0) {
    this.seed = seed;
    this.stream = stream;
  }

  /** A word, 0 … 2^32 - 1. */
  word(): number {
    const place = this.counter % 4;
    if (place === 0) this.block = randomBlock(this.seed, this.stream, this.counter / 4);
    this.counter++;
    return this.block[place]!;
  }

  /** A number in [0, 1): a word times 2^-32, exact in a double. */
  uniform(): number { return this.word() / two32; }

  /** A whole number from `low` to `high`, both included, without bias: words of the last, incomplete round are redrawn. */
  integer(low: number, high: number): number {
    const span = high - low + 1;
    const limit = two32 - (two32 % span);
    for (;;) {
      const word = this.word();
      if (word < limit) return low + (word % span);
    }
  }

  /** True with the given probability. */
  chance(probability: number): boolean { return this.uniform() < probability; }

  pick<T>(items: readonly T[]): T { return items[this.integer(0, items.length - 1)]!; }

  /** A shuffled copy (Fisher and Yates, from the end). */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.integer(0, last);
      [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
    }
    return shuffled;
  }
}
