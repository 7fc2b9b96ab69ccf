// The batch against the sampler that training uses: the same tokens and, in exact mode, the same bits, whoever shares it.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../../engine/backends/open.ts';
import { Arena } from '../../engine/program.ts';
import { loadModel, openModelFiles } from '../../models/load.ts';
import { Rollout } from '../../reasoning/rollout.ts';
import { Batch, type BatchOptions, type Sequence } from './batch.ts';

const folder = fileURLToPath(new URL('../../../test/data/tiny-rl-arithmetic-sequence', import.meta.url));
const backend = openBackend(), files = openModelFiles(folder), model = loadModel(backend, files);
files.close();
after(() => { model.close(); backend.close(); });

/** Always takes the likeliest token, and remembers the logits. */
class Greedy implements Sequence {
  readonly ids: number[];
  readonly rows: Float32Array[] = [];
  private readonly limit: number;
  done = false;
  cached = -1;
  places = 0;
  constructor(prompt: readonly number[], count: number) { this.ids = [...prompt]; this.limit = prompt.length + count; }
  begun(cached: number): void { this.places++; if (this.cached < 0) this.cached = cached; }
  choose(logits: Float32Array): void {
    this.rows.push(logits.slice());
    this.ids.push(logits.indexOf(Math.max(...logits)));
    this.done = this.ids.length >= this.limit;
  }
}

const prompt = (length: number, shift = 0): number[] => Array.from({ length }, (_, i) => 1 + ((i * 7 + shift + Math.floor(i / 5)) % 12));

async function withBatch<T>(options: Partial<BatchOptions>, work: (batch: Batch) => Promise<T>): Promise<T> {
  const batch = new Batch(model, { slots: 4, maxTokens: 300, cacheBytes: 2 ** 30, ...options });
  await batch.open();
  try { return await work(batch); } finally { batch.close(); }
}

async function run(batch: Batch, sequences: readonly Sequence[]): Promise<void> {
  for (const s of sequences) batch.add(s);
  while (batch.busy) await batch.step();
  assert.equal(batch.freePages, batch.pages, 'every page came back');
}

test('the tokens of the rollout sampler, for short and long prompts at once', async () => {
  const prompts = [prompt(1), prompt(64, 1), prompt(65, 2), prompt(200, 3), prompt(129, 4), prompt(20, 5)];
  const rollout = new Rollout(model, new Arena(backend), { maxRows: 2, maxTokens: 300 });
  await rollout.refresh();
  const expected = await rollout.generate(prompts.map((p) => ({ prompt: Int32Array.from(p), maxNew: 40, streams: [0] })), { stops: [], settings: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 } });
  rollout.close();
  const sequences = prompts.map((p) => new Greedy(p, 40));
  await withBatch({}, (batch) => run(batch, sequences));
  assert.deepEqual(sequences.map((s, i) => s.ids.slice(prompts[i]!.length)), expected.map(([c]) => [...c!.tokens]));
});

test('alone or among others, read in pieces, joined late or put back for want of pages: the same bits', async () => {
  const make = (): Greedy[] => [prompt(150, 1), prompt(30, 2), prompt(90, 3)].map((p) => new Greedy(p, 60));
  const alone = make(), together = make(), crowded = make();
  for (const s of alone) await withBatch({}, (batch) => run(batch, [s]));
  await withBatch({}, async (batch) => {
    batch.add(together[0]!);
    for (let i = 0; i < 5; i++) await batch.step();
    await run(batch, together.slice(1));
  });
  // One sequence at its longest takes 5 pages of 64; there are 5 in all.
  await withBatch({ cacheBytes: 5 * 64 * Batch.tokenBytes(model) }, async (batch) => {
    assert.equal(batch.pages, 5);
    await run(batch, crowded);
  });
  assert.ok(crowded.some((s) => s.places > 1), 'someone had to wait once more');
  for (const other of [together, crowded]) {
    other.forEach((s, i) => {
      assert.deepEqual(s.ids, alone[i]!.ids);
      s.rows.forEach((row, t) => assert.deepEqual(Buffer.from(row.buffer), Buffer.from(alone[i]!.rows[t]!.buffer), `logits of sequence ${i}, token ${t}`));
    });
  }
});

test('a prompt known from before is not read again, and gives the same', async () => {
  await withBatch({}, async (batch) => {
    const first = new Greedy(prompt(150), 20), again = new Greedy(prompt(150), 20);
    await run(batch, [first]);
    const turn = new Greedy([...first.ids, ...prompt(10, 5)], 20), fresh = new Greedy(turn.ids, 20);
    await run(batch, [again]);
    await run(batch, [turn]);
    assert.deepEqual([first.cached, again.cached, turn.cached], [0, 128, 128]);
    assert.deepEqual(again.ids, first.ids);
    await withBatch({}, (other) => run(other, [fresh]));
    assert.deepEqual(turn.ids, fresh.ids);
  });
});

test('a long prompt never holds up the others for more than one piece, and one that leaves frees its place at once', async () => {
  await withBatch({ slots: 2, maxTokens: 320 }, async (batch) => {
    const stream = new Greedy(prompt(1), 100), reader = new Greedy(prompt(280), 5), third = new Greedy(prompt(4), 5);
    batch.add(stream);
    await batch.step();
    batch.add(reader);
    batch.add(third);
    for (let i = 0, before = stream.ids.length; i < 3; i++, before++) {
      const { tokens } = await batch.step();
      assert.equal(stream.ids.length, before + 1);
      assert.ok((tokens.get(reader) ?? 0) <= 128);
    }
    assert.equal(third.places, 0);
    reader.done = true;
    await batch.step();
    await batch.step();
    assert.equal(third.places, 1);
    stream.done = third.done = true;
    await batch.step();
    assert.equal(batch.busy, false);
    assert.equal(batch.freePages, batch.pages);
  });
});

test('ids put into a running sequence are read before the next is chosen', async () => {
  const plain = new Greedy(prompt(40), 1), forced = new Greedy(prompt(40), 1);
  const inner = forced.choose.bind(forced);
  const extra = [3, 1, 4, 1, 5];
  forced.choose = () => { forced.ids.push(...extra); forced.choose = inner; };
  plain.ids.push(...extra);
  Object.assign(plain, { limit: 46 });
  Object.assign(forced, { limit: 46 });
  await withBatch({}, (batch) => run(batch, [plain, forced]));
  assert.deepEqual(forced.ids, plain.ids);
});

test('caches in fewer bits: nearly the same logits from half or about a quarter of the memory, which has room for as many more pages', async () => {
  const ids = prompt(150, 6), reader = (): Greedy => new Greedy(ids, 1), exact = reader();
  await withBatch({}, (batch) => run(batch, [exact]));
  const largest = Math.max(...exact.rows[0]!.map(Math.abs));
  for (const [cache, tolerance, share] of [['f16', 5e-3, 0.5], ['q8', 8e-2, 0.3]] as const) {
    const rough = reader();
    assert.ok(Batch.tokenBytes(model, cache) <= share * Batch.tokenBytes(model));
    await withBatch({ cache, slots: 100, cacheBytes: 40 * 64 * Batch.tokenBytes(model) }, async (batch) => {
      assert.ok(batch.pages >= 40 / share - 1, `${batch.pages} pages`);
      await run(batch, [rough]);
    });
    const off = Math.max(...rough.rows[0]!.map((x, i) => Math.abs(x - exact.rows[0]![i]!))) / largest;
    assert.ok(off > 0 && off < tolerance, `${cache}: off by ${off} of the largest logit`);
  }
});
