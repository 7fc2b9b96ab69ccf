// Both ways of placing storages: none that live at the same time overlap, and the tight one comes close to what is alive.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from './program.ts';
import { RandomStream } from './random.ts';
import { livesOf, loanOf, placeInOrder, placeTightly } from './storage-plan.ts';
import { fixedTensor, plannedTensor } from './tensor.ts';

/** Commands of a training step: some tensors are kept from the way there to the way back, others live for a moment. */
function commandsOf(seed: number): Command[] {
  const random = new RandomStream(seed, 0), commands: Command[] = [], kept: ReturnType<typeof plannedTensor>[] = [];
  const use = (...tensors: ReturnType<typeof plannedTensor>[]): void => { commands.push({ kernel: 'add', tensors, attributes: [] }); };
  for (let i = 0; i < 40; i++) {
    const passing = plannedTensor([random.integer(1, 4000)]), stays = plannedTensor([random.integer(1, 4000)]);
    use(passing, stays);
    if (i % 3 !== 0) kept.push(stays);
  }
  for (const t of kept.reverse()) use(t, plannedTensor([random.integer(1, 4000)]));
  return commands;
}

for (const seed of [1, 2, 3]) test(`storages that live together lie apart (${seed})`, () => {
  const commands = commandsOf(seed), pinned = new Set([commands[3]!.tensors[0]!.storage]), early = new Set([commands.at(-2)!.tensors[1]!.storage]);
  const lives = livesOf(commands, [], pinned, early);
  const alive = Math.max(...commands.map((_, i) => lives.reduce((sum, l) => sum + (l.first <= i && i <= l.last ? l.bytes : 0), 0)));
  const check = (bytes: number): void => {
    for (const a of lives) {
      assert.ok(a.storage.offset % 64 === 0 && a.storage.offset + a.bytes <= bytes);
      for (const b of lives) if (a !== b && a.first <= b.last && b.first <= a.last) assert.ok(a.storage.offset + a.bytes <= b.storage.offset || b.storage.offset + b.bytes <= a.storage.offset);
    }
  };
  const inOrder = placeInOrder(lives), known = new Map<string, readonly number[]>();
  check(inOrder);
  const tight = placeTightly(lives, inOrder, known);
  check(tight);
  assert.ok(tight <= inOrder && tight <= 1.05 * alive, `${inOrder} and ${tight} bytes for ${alive} alive`);
  assert.equal(placeTightly(lives, inOrder, known), tight);
  assert.equal(known.size, 1);
});

for (const seed of [1, 2, 3]) test(`storages lie where gradients come after them, and nowhere else in their buffer (${seed})`, () => {
  const commands = commandsOf(seed), buffer = { bytes: 64 * 3000, handle: null }, end = commands.length, odd = fixedTensor(buffer, 64 * 2500, [9]);
  // Gradients are stored from half of the way on, the last in the buffer first; an odd one leaves a gap behind it, and lends nothing.
  const gradients = [0, 500, 1000, 1500].map((line) => fixedTensor(buffer, 64 * line, [500 * 16])), at = (i: number): number => end - 4 + (3 - i);
  const all = [...commands]; gradients.forEach((g, i) => { all[at(i)] = { ...all[at(i)]!, tensors: [...all[at(i)]!.tensors, g] }; });
  all[end - 1] = { ...all[end - 1]!, tensors: [...all[end - 1]!.tensors, odd] };
  const lives = livesOf(all, [], new Set(), new Set()), inOrder = placeInOrder(lives), alone = placeTightly(lives, inOrder, new Map());
  const loan = loanOf(all, [...gradients, odd].map((t) => t.storage))!;
  assert.deepEqual(loan.pieces.map((p) => p.first), [0, 1, 2, 3].map(at));
  const tight = placeTightly(lives, inOrder, new Map(), loan), lent = lives.filter((l) => l.storage.buffer === buffer);
  assert.ok(tight < alone && lent.length > 0);
  for (const { storage, bytes, first, last } of lent) {
    assert.ok(storage.offset + bytes <= 64 * 2000, 'what is never a gradient is not lent');
    gradients.forEach((g, i) => assert.ok(last < at(i) || storage.offset + bytes <= g.storage.offset || g.storage.offset + g.storage.bytes <= storage.offset));
    for (const other of lent) if (other.storage !== storage && first <= other.last && other.first <= last) assert.ok(storage.offset + bytes <= other.storage.offset || other.storage.offset + other.bytes <= storage.offset);
  }
  for (const { storage, bytes } of lives) if (storage.buffer === null) assert.ok(storage.offset >= 0 && storage.offset + bytes <= tight);
});
