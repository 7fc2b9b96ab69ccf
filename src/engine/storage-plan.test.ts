// Both ways of placing storages: none that live at the same time overlap, and the tight one comes close to what is alive.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from './program.ts';
import { RandomStream } from './random.ts';
import { livesOf, placeInOrder, placeTightly } from './storage-plan.ts';
import { plannedTensor } from './tensor.ts';

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
