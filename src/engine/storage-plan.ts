// Where planned storages lie in the arena. Each lives from its first to its last command; storages whose lives do not meet
// may share bytes, and the highest end is the arena's size. Walking the commands once with a best-fit free list takes no
// time, and a few percent more memory than is alive at the fullest moment. Where that is more than the arena has, the
// storages are placed once more, those of the largest bytes × life first, each into the tightest gap that is free for all
// of its life (Pisarchyk & Lee, arXiv 2001.03288, place by size alone); this comes within a percent of what is alive.
// Gaps are also where gradients of weights are going to be stored: most of a pass keeps its values for layers whose
// gradients come after them.

import type { Command } from './program.ts';
import { type DeviceBuffer, type Storage, aligned, alignment } from './tensor.ts';

interface Life { readonly storage: Storage; readonly bytes: number; readonly first: number; last: number }

/** Even nothing gets a place of its own. */
export const roomFor = (bytes: number): number => aligned(Math.max(bytes, 1));

/**
 * Of all planned storages, in the order in which they begin. `pinned` ones live to the end, uploads from the start, and
 * what a run of rows or chains side by side use to the end of all of it, whose commands take place at the same time.
 */
export function livesOf(commands: readonly Command[], jobs: readonly { first: number; count: number }[], pinned: ReadonlySet<Storage>, fromStart: ReadonlySet<Storage>): Life[] {
  const done = Int32Array.from(commands.keys()), lives = new Map<Storage, Life>();
  for (const { first: start, count } of jobs) done.fill(start + count - 1, start, start + count);
  for (const storage of fromStart) lives.set(storage, { storage, bytes: roomFor(storage.bytes), first: -1, last: -1 });
  for (let i = 0; i < commands.length; i++) for (const t of commands[i]!.tensors) {
    if (t === null || t.storage.buffer !== null) continue;
    const life = lives.get(t.storage);
    if (life) life.last = done[i]!;
    else lives.set(t.storage, { storage: t.storage, bytes: roomFor(t.storage.bytes), first: i, last: done[i]! });
  }
  for (const storage of pinned) { const life = lives.get(storage); if (life) life.last = commands.length; }
  return [...lives.values()].filter(({ last }) => last >= 0);
}

/** A buffer of gradients, as pieces of it that come to life one after another and then stay; between them it is taken all the time. */
export interface Loan { readonly buffer: DeviceBuffer; readonly pieces: readonly { readonly offset: number; readonly bytes: number; readonly first: number }[] }

/** What the buffer of these gradients lends until each is first touched; those that do not begin and end on lines of their own lend nothing. */
export function loanOf(commands: readonly Command[], gradients: readonly Storage[]): Loan | null {
  const lent = gradients.filter((s) => s.offset % alignment === 0 && s.bytes % alignment === 0).sort((a, b) => a.offset - b.offset), buffer = lent[0]?.buffer;
  if (!buffer) return null;
  const firsts = new Array<number>(lent.length).fill(commands.length);
  for (let i = commands.length - 1; i >= 0; i--) for (const t of commands[i]!.tensors) {
    if (t?.storage.buffer !== buffer) continue;
    const { offset, bytes } = t.storage;
    let low = 0, high = lent.length; // the first that ends behind its beginning
    while (low < high) { const middle = (low + high) >> 1; if (lent[middle]!.offset + lent[middle]!.bytes <= offset) low = middle + 1; else high = middle; }
    for (; low < lent.length && lent[low]!.offset < offset + bytes; low++) firsts[low] = i;
  }
  return { buffer, pieces: lent.map(({ offset, bytes }, i) => ({ offset, bytes, first: firsts[i]! })) };
}

/** Gives every storage an offset, in the order of the commands. Returns the bytes needed. */
export function placeInOrder(lives: readonly Life[]): number {
  const holes: { start: number; end: number }[] = []; // sorted by start, never touching
  let top = 0, highest = 0;
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
  const ends = [...lives].sort((a, b) => a.last - b.last);
  let ended = 0;
  for (const { storage, bytes, first } of lives) {
    for (; ended < ends.length && ends[ended]!.last < first; ended++) give(ends[ended]!.storage.offset, ends[ended]!.bytes);
    storage.offset = take(bytes);
    highest = Math.max(highest, storage.offset + bytes);
  }
  return highest;
}

/** The same with more thought, if it takes less than `bytes`; what was thought before is in `known`, by the lives. What is lent takes none. */
export function placeTightly(lives: readonly Life[], bytes: number, known: Map<string, readonly number[]>, loan: Loan | null = null): number {
  const taken = loan ? takenOf(loan) : [], arenaStart = taken.reduce((end, t) => Math.max(end, t.offset + t.bytes), 0);
  const key = [...taken, ...lives].map((l) => `${l.bytes} ${l.first} ${l.last}`).join();
  let offsets = known.get(key);
  if (!offsets) {
    offsets = tightOffsets(lives, taken);
    if (known.size >= 8) known.clear();
    known.set(key, offsets);
  }
  const highest = lives.reduce((h, l, i) => Math.max(h, offsets[i]! + l.bytes), arenaStart) - arenaStart;
  if (highest >= bytes) return bytes;
  lives.forEach(({ storage }, i) => {
    const offset = offsets[i]!, isLent = offset < arenaStart;
    if (isLent) storage.buffer = loan!.buffer;
    storage.offset = isLent ? offset : offset - arenaStart;
  });
  return highest;
}

interface Taken { readonly offset: number; readonly bytes: number; readonly first: number; readonly last: number }

/** The buffer that lends, in front of the arena, by who has it from when on; a line between the two keeps storages from lying in both. */
function takenOf({ buffer, pieces }: Loan): Taken[] {
  const taken: Taken[] = [];
  let end = 0;
  const always = (until: number): void => { if (until > end) taken.push({ offset: end, bytes: until - end, first: -1, last: Infinity }); };
  for (const piece of pieces) {
    always(piece.offset);
    taken.push({ ...piece, last: Infinity });
    end = piece.offset + piece.bytes;
  }
  always(aligned(buffer.bytes) + alignment);
  return taken;
}

function tightOffsets(lives: readonly Life[], taken: readonly Taken[]): number[] {
  const area = (l: Life): number => l.bytes * (l.last - l.first + 1), order = Array.from(lives.keys()).sort((a, b) => area(lives[b]!) - area(lives[a]!) || a - b);
  const offsets = new Array<number>(lives.length), placed: Taken[] = [...taken]; // by offset
  for (const i of order) {
    const { bytes, first, last } = lives[i]!;
    let end = 0, best = -1, room = Infinity;
    for (const other of placed) {
      if (other.last < first || last < other.first) continue;
      if (other.offset - end >= bytes && other.offset - end < room) { best = end; room = other.offset - end; }
      end = Math.max(end, other.offset + other.bytes);
    }
    const offset = offsets[i] = best >= 0 ? best : end;
    let low = 0, high = placed.length; // where it belongs among those placed
    while (low < high) { const middle = (low + high) >> 1; if (placed[middle]!.offset < offset) low = middle + 1; else high = middle; }
    placed.splice(low, 0, { offset, bytes, first, last });
  }
  return offsets;
}
