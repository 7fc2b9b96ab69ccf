// The exact promise of attention on the cpu backend: the output of a (row, head) has the same bits in training and over
// the paged cache, however documents are packed, rows are shuffled, pages lie, threads run; and gradients have the same
// bits with any number of threads. TIEFSUCHE_ATTENTION_HASH=1 prints a hash instead, which every instruction set must share.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CpuBackend, nativeBuilt } from './backends/cpu/cpu.ts';
import { type PagedCache, attentionCached, cacheAppend, cacheCopy } from './ops/attention-cached.ts';
import { type AttentionShape, type Heads, attention, documents, keyBlock } from './ops/attention.ts';
import { Arena, execute, read } from './program.ts';
import { RandomStream } from './random.ts';
import { Tape } from './tape.ts';
import { type Tensor, fixedTensor, sizeOf } from './tensor.ts';
import { normal } from './trials.ts';

/** Documents, and where the heads lie in the rows of q (width, start, stride) and of one matrix of keys and values. */
interface Case extends AttentionShape {
  readonly label: string;
  readonly lengths: readonly number[];
  readonly q: Layout;
  readonly k: Layout;
  readonly v: Layout;
  readonly magnitude: number;
}
interface Layout { readonly width: number; readonly start: number; readonly stride: number }

function heads(label: string, lengths: readonly number[], Hq: number, Hkv: number, D: number, Dv: number, window = 0, magnitude = 1): Case {
  return {
    label, lengths, queryHeads: Hq, keyHeads: Hkv, D, Dv, window, magnitude, scale: D ** -0.5,
    q: { width: Hq * D, start: 0, stride: D }, k: { width: Hkv * (D + Dv), start: 0, stride: D }, v: { width: Hkv * (D + Dv), start: Hkv * D, stride: Dv },
  };
}

/** Keys and values of a head side by side, gaps everywhere, as the matrices of latent attention have them. */
function latent(base: Case): Case {
  const { queryHeads: Hq, keyHeads: Hkv, D, Dv } = base, stride = D + Dv + 1, width = Hkv * stride + 5;
  return { ...base, label: `${base.label}, latent strides`, q: { width: Hq * (D + 3) + 7, start: 2, stride: D + 3 }, k: { width, start: 3, stride }, v: { width, start: 3 + D, stride } };
}

const cases: readonly Case[] = [
  heads('one head', [1, 2, 63, 64, 65, 130], 1, 1, 16, 16),
  heads('three heads share one', [200, 7, 64, 90], 3, 1, 64, 64),
  heads('nine heads share three', [129, 40], 9, 3, 32, 32),
  heads('window 17', [150, 3, 70], 4, 2, 24, 16, 17),
  heads('window 64', [200, 66], 2, 1, 32, 32, 64),
  heads('window 100', [300], 6, 2, 16, 48, 100),
  heads('odd channels', [130, 5], 5, 1, 13, 7),
  heads('one channel', [70], 1, 1, 1, 1),
  heads('many channels', [80, 66], 2, 2, 192, 128),
  heads('large scores', [140, 20], 2, 1, 32, 32, 0, 9),
  latent(heads('four heads', [100, 65], 4, 4, 24, 20)),
  latent(heads('shared heads, window', [131, 20], 4, 2, 20, 24, 33)),
];

/** Row `width` of document d at position i, the same wherever it is packed. */
function rowsOf(c: Case, layout: Layout, stream: number, places: readonly Place[]): Float32Array {
  const all = new Float32Array(places.length * layout.width);
  places.forEach(({ document, position }, r) => {
    all.set(normal(new RandomStream(stream, document * 1000 + position), layout.width).map((x) => x * c.magnitude), r * layout.width);
  });
  return all;
}

interface Place { readonly document: number; readonly position: number }
const placesOf = (c: Case, order: readonly number[]): Place[] => order.flatMap((document) => Array.from({ length: c.lengths[document] }, (_, position) => ({ document, position })));
const key = (p: Place): string => `${p.document}/${p.position}`;

/** Output rows by place. */
type Outputs = Map<string, Float32Array>;

function collect(into: Outputs, c: Case, places: readonly Place[], out: Float32Array): void {
  const width = c.queryHeads * c.Dv;
  places.forEach((p, r) => { into.set(key(p), out.slice(r * width, (r + 1) * width)); });
}

function assertSame(got: Outputs, expected: Outputs, what: string): void {
  assert.equal(got.size, expected.size);
  for (const [place, row] of expected) {
    const other = got.get(place)!;
    assert.ok(Buffer.from(row.buffer).equals(Buffer.from(other.buffer)), `${what}: document/position ${place}: ${other.slice(0, 4)}… instead of ${row.slice(0, 4)}…`);
    assert.ok(row.every(Number.isFinite), `${what}: ${place} is not finite`);
  }
}

class Machine {
  readonly backend = new CpuBackend();
  private readonly arena = new Arena(this.backend);

  private device(data: Float32Array, shape: readonly number[], grad = false): Tensor {
    const place = (values?: Float32Array): Tensor => {
      const buffer = this.backend.allocate(data.byteLength);
      if (values) this.backend.upload(buffer, 0, values);
      return fixedTensor(buffer, 0, shape);
    };
    const tensor = place(data);
    return grad ? fixedTensor(tensor.storage.buffer!, 0, shape, 'f32', '', place()) : tensor;
  }

  private inputs(c: Case, places: readonly Place[], grad: boolean): { q: Heads; k: Heads; v: Heads } {
    const R = places.length;
    const q = this.device(rowsOf(c, c.q, 1, places), [R, c.q.width], grad), kv = this.device(rowsOf(c, c.k, 2, places), [R, c.k.width], grad);
    return { q: { tensor: q, ...c.q }, k: { tensor: kv, ...c.k }, v: { tensor: kv, ...c.v } };
  }

  /** attention over the documents packed in this order. */
  async train(c: Case, order: readonly number[]): Promise<{ outputs: Outputs; gradients: Buffer }> {
    const places = placesOf(c, order);
    const tape = new Tape({ training: true });
    const { q, k, v } = this.inputs(c, places, true);
    const out = tape.output(attention(tape, q, k, v, documents(tape, order.map((d) => c.lengths[d])), c));
    tape.emit('axpby', [tape.input(rowsOf(c, { width: c.queryHeads * c.Dv, start: 0, stride: 0 }, 3, places), out.shape), tape.gradOf(out).tensor], [sizeOf(out.shape), 1, 0]);
    tape.backward();
    const program = tape.finish(this.arena);
    await execute(program);
    const outputs: Outputs = new Map();
    collect(outputs, c, places, read(program, out));
    return { outputs, gradients: Buffer.concat([q.tensor, k.tensor].map((t) => Buffer.from(read(program, t.grad!).buffer))) };
  }

  /** A cache full of NaN whose pages lie in disorder. */
  cache(c: Case): { cache: PagedCache; table: Int32Array; blocks: number } {
    const S = c.lengths.length, blocks = Math.ceil(Math.max(...c.lengths) / keyBlock), pages = S * blocks + 2;
    const empty = (perPage: readonly number[]): Tensor => this.device(new Float32Array(pages * sizeOf(perPage)).fill(NaN), [pages, ...perPage]);
    return {
      cache: { keys: empty([c.keyHeads, c.D, keyBlock]), values: empty([c.keyHeads, keyBlock, c.Dv]) }, blocks,
      table: Int32Array.from(new RandomStream(4).shuffle(Array.from({ length: S * blocks }, (_, i) => i + 1))),
    };
  }

  /** One forward call: appends these rows and lets them attend; null is a row to skip. */
  async decode(c: Case, { cache, table, blocks }: ReturnType<Machine['cache']>, rows: readonly (Place | null)[], append = true): Promise<Outputs> {
    const tape = new Tape({ training: false });
    const { q, k, v } = this.inputs(c, rows.map((p) => p ?? { document: 0, position: 0 }), false);
    const paged = {
      table: tape.input(table, [c.lengths.length, blocks]),
      rowSeq: tape.input(Int32Array.from(rows, (p) => p?.document ?? -1)), rowPos: tape.input(Int32Array.from(rows, (p) => p?.position ?? 0)),
    };
    if (append) cacheAppend(tape, k, v, cache, paged, c);
    const out = tape.output(attentionCached(tape, q, cache, paged, c));
    const program = tape.finish(this.arena);
    await execute(program);
    const outputs: Outputs = new Map(), values = read(program, out), width = c.queryHeads * c.Dv;
    rows.forEach((p, r) => {
      const row = values.slice(r * width, (r + 1) * width);
      if (p) outputs.set(key(p), row);
      else assert.ok(row.every((x) => Object.is(x, 0)), 'a skipped row is 0');
    });
    return outputs;
  }

  async copyPages(cache: PagedCache, from: readonly number[], to: readonly number[]): Promise<void> {
    const tape = new Tape({ training: false });
    cacheCopy(tape, cache, tape.input(Int32Array.from(from)), tape.input(Int32Array.from(to)));
    await execute(tape.finish(this.arena));
  }
}

const inOrder = (c: Case): number[] => c.lengths.map((_, d) => d);

async function hash(machine: Machine): Promise<string> {
  const digest = createHash('sha256');
  for (const c of cases) {
    const { outputs, gradients } = await machine.train(c, inOrder(c));
    for (const row of outputs.values()) digest.update(Buffer.from(row.buffer));
    digest.update(gradients);
  }
  return digest.digest('hex');
}

function defineTests(machine: Machine): void {
  for (const c of cases) for (const threads of [1, 2]) test(`attention has one value (${c.label}, ${threads} threads)`, async () => {
    machine.backend.setThreads(1);
    const expected = await machine.train(c, inOrder(c));
    machine.backend.setThreads(threads);
    const again = await machine.train(c, inOrder(c));
    assertSame(again.outputs, expected.outputs, 'training again');
    assert.ok(again.gradients.equals(expected.gradients), 'gradients depend on the number of threads');

    assertSame((await machine.train(c, inOrder(c).reverse())).outputs, expected.outputs, 'documents packed in reverse');
    const alone: Outputs = new Map();
    for (const d of inOrder(c)) for (const [place, row] of (await machine.train(c, [d])).outputs) alone.set(place, row);
    assertSame(alone, expected.outputs, 'documents alone');

    const all = placesOf(c, inOrder(c));
    const atOnce = machine.cache(c);
    assertSame(await machine.decode(c, atOnce, all), expected.outputs, 'prefill of everything');
    const shuffled = new RandomStream(5).shuffle<Place | null>([...all, null, null]);
    assertSame(await machine.decode(c, atOnce, shuffled, false), expected.outputs, 'shuffled rows');
    assertSame(await machine.decode(c, machine.cache(c), shuffled), expected.outputs, 'appended in disorder');
  });

  test('attention has one value (decoding token by token after a prefill)', async () => {
    machine.backend.setThreads(2);
    const c = heads('decoding', [70, 130, 20], 3, 1, 16, 16);
    const expected = (await machine.train(c, inOrder(c))).outputs;
    const paged = machine.cache(c), got: Outputs = new Map();
    const keep = (outputs: Outputs): void => outputs.forEach((row, place) => got.set(place, row));
    keep(await machine.decode(c, paged, placesOf(c, inOrder(c)).filter((p) => p.position < 11)));
    for (let position = 11; position < 130; position++) {
      keep(await machine.decode(c, paged, inOrder(c).map((document) => (position < c.lengths[document] ? { document, position } : null))));
    }
    assertSame(got, expected, 'decoding');
  });

  test('attention has one value (samples share the pages of their prompt)', async () => {
    machine.backend.setThreads(2);
    const c = heads('shared', [100, 100, 100], 2, 1, 16, 16); // rows of document 0 stand for the prompt of all three
    const expected = (await machine.train(c, [0])).outputs;
    const paged = machine.cache(c);
    await machine.decode(c, paged, placesOf(c, [0]));
    const [full, half] = paged.table; // sequences 1 and 2 get the full page and a copy of the half-full one
    await machine.copyPages(paged.cache, [half, half], [paged.table[3], paged.table[5]]);
    paged.table[2] = paged.table[4] = full;
    const prompt = placesOf(c, [0]).slice(-1)[0];
    for (const document of [0, 1, 2]) {
      const tape = new Tape({ training: false });
      const q = tape.input(rowsOf(c, c.q, 1, [prompt]), [1, c.q.width]);
      const rows = { table: tape.input(paged.table, [3, 2]), rowSeq: tape.input(Int32Array.of(document)), rowPos: tape.input(Int32Array.of(99)) };
      const out = tape.output(attentionCached(tape, { tensor: q, stride: c.D }, paged.cache, rows, c));
      const program = tape.finish(new Arena(machine.backend));
      await execute(program);
      assert.deepEqual(read(program, out), expected.get(key(prompt)), `sequence ${document}`);
    }
  });

  test('gradients of attention do not depend on the number of threads', async () => {
    for (const c of [heads('one document', [400], 3, 1, 32, 32), heads('window', [300, 20], 4, 2, 16, 24, 90)]) {
      machine.backend.setThreads(1);
      const expected = (await machine.train(c, inOrder(c))).gradients;
      for (const threads of [2, 3, 8]) {
        machine.backend.setThreads(threads);
        assert.ok((await machine.train(c, inOrder(c))).gradients.equals(expected), `${c.label}, ${threads} threads`);
      }
    }
    machine.backend.setThreads(2);
  });

  test('attention has the same bits on every instruction set', async () => {
    const { isas } = (createRequire(import.meta.url)(fileURLToPath(new URL('../../build/tiefsuche.node', import.meta.url))) as { info(): { isas: string[] } }).info();
    machine.backend.setThreads(2);
    const here = await hash(machine);
    for (const isa of isas.filter((name) => name !== 'baseline' && name !== machine.backend.info().isa)) {
      const child = spawnSync(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url)], { encoding: 'utf8', env: { ...process.env, TIEFSUCHE_ISA: isa, TIEFSUCHE_ATTENTION_HASH: '1' } });
      assert.equal(child.status, 0, child.stderr);
      assert.equal(child.stdout.trim(), here, isa);
    }
  });
}

if (nativeBuilt()) {
  const machine = new Machine();
  if (process.env.TIEFSUCHE_ATTENTION_HASH) console.log(await hash(machine));
  else if (machine.backend.info().exact) defineTests(machine);
}
