// POST /v1/embeddings with the openai client: vectors as transformers gives them (test/fixtures/embedding), from a folder and
// from a GGUF file, by our engine and by llama.cpp; and what is refused.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI, { APIError } from 'openai';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { exportGguf } from '../src/models/export-gguf.ts';
import { openExportSource } from '../src/models/export-source.ts';
import { type Running, killServers, recordsIn, startServer, stopServer } from './serving-process.ts';

const folder = fileURLToPath(new URL('fixtures/embedding', import.meta.url)), home = temporaryHome(), models = join(home, 'models');
const { texts } = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as { texts: { text: string; ids: number[]; last: number[]; mean: number[] }[] };
const all = texts.map((t) => t.text), clientOf = ({ url }: Running): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
let server: Running, client: OpenAI;

/** The fixture with another pooling. */
function variant(name: string, mode: string): void {
  cpSync(folder, join(models, name), { recursive: true });
  const path = join(models, name, '1_Pooling', 'config.json'), config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  writeFileSync(path, JSON.stringify({ ...config, pooling_mode_lasttoken: false, [`pooling_mode_${mode}`]: true }));
}

before(async () => {
  for (const [name, mode] of [['last', 'lasttoken'], ['mean', 'mean_tokens'], ['first', 'cls_token']] as const) variant(name, mode);
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  const source = openExportSource(join(models, 'last'));
  await exportGguf(source, join(models, 'last.gguf'), 'F32');
  source.close();
  server = await startServer(home, ['last', 'mean', 'first', 'small', join(models, 'last.gguf')], ['--precision', 'f32', '--context', '320', '--audit']);
  client = clientOf(server);
});
after(async () => { assert.equal(await stopServer(server), 0, server.err()); });
after(killServers);

function near(given: readonly number[], expected: readonly number[], tolerance = 2e-6): void {
  assert.equal(given.length, expected.length);
  const off = Math.max(...given.map((x, i) => Math.abs(x - expected[i]!)));
  assert.ok(off < tolerance, `off by ${off}`);
}

test('the vectors of transformers: last token and mean, from a folder and from the file exported of it; texts and ids; both encodings', async () => {
  for (const [model, how] of [['last', 'last'], ['mean', 'mean'], ['last.gguf', 'last']] as const) {
    for (const [input, encoding_format] of [[all, undefined], [all, 'float'], [texts.map((t) => t.ids), 'float']] as const) { // the client asks for base64 by itself
      const { data, usage, model: named } = await client.embeddings.create({ model, input: input as string[], ...(encoding_format && { encoding_format }) });
      data.forEach(({ embedding, index }, i) => { assert.equal(index, i); near(embedding, texts[i]![how]); });
      const tokens = texts.reduce((n, t) => n + t.ids.length, 0);
      assert.deepEqual([named, usage.prompt_tokens, usage.total_tokens], [model, tokens, tokens]);
    }
  }
  const one = await client.embeddings.create({ model: 'last', input: all[0]! }), ids = await client.embeddings.create({ model: 'last', input: texts[0]!.ids });
  assert.deepEqual(ids.data[0]!.embedding, one.data[0]!.embedding);
  const shelf = (await client.models.list()).data as unknown as { id: string; embedding: unknown }[];
  assert.deepEqual(shelf.map((m) => [m.id, m.embedding]), [['last', { pooling: 'last', size: 32 }], ['mean', { pooling: 'mean', size: 32 }], ['first', null], ['small', null], ['last.gguf', { pooling: 'last', size: 32 }]]);
  const records = await recordsIn(home);
  assert.ok(records.length === 11 && records.every((r) => r.finish[0] === 'embedding' && r.prompt_tokens > 0 && r.joules! > 0));
});

test('shorter vectors where config.json allows them; everything else is a 400 that says why', async () => {
  const { data: [short] } = await client.embeddings.create({ model: 'last', input: all[1]!, dimensions: 8 }), cut = texts[1]!.last.slice(0, 8), length = Math.hypot(...cut);
  near(short!.embedding, cut.map((x) => x / length));
  const refused = async (body: object, message: RegExp): Promise<void> => {
    await assert.rejects(client.embeddings.create(body as never), (error) => error instanceof APIError && error.status === 400 && message.test(error.message));
  };
  await refused({ model: 'last', input: 'x', dimensions: 9 }, /it knows 8, 16, 32/);
  await refused({ model: 'last.gguf', input: 'x', dimensions: 8 }, /not made to be cut/);
  await refused({ model: 'small', input: 'x' }, /small was not made to give embeddings: it is a model that writes/);
  await refused({ model: 'first', input: 'x' }, /first token, which in a causal model has seen nothing/);
  await refused({ model: 'last', input: '' }, /input/);
  await refused({ model: 'last', input: [] }, /input/);
  await refused({ model: 'last', input: [[1, 4711]] }, /token 4711/);
  await refused({ model: 'last', input: 'x'.repeat(400) }, /320 tokens and one of the texts has 401/);
  await refused({ model: 'last', input: 'x', colour: 'red' }, /colour/);
  // Beside an answer that streams, and by a client that leaves.
  const stream = await client.chat.completions.create({ model: 'last', stream: true, max_completion_tokens: 30, messages: [{ role: 'user', content: 'hello' }] });
  const [, { data }] = await Promise.all([(async () => { for await (const chunk of stream) assert.ok(chunk.id); })(), client.embeddings.create({ model: 'last', input: all })]);
  near(data[3]!.embedding, texts[3]!.last);
});

const installed = existsSync(fileURLToPath(new URL('../engines/llama/node_modules/node-llama-cpp', import.meta.url)));
test('llama.cpp gives the same from the same file', { skip: installed || process.env['CI'] ? false : 'llama.cpp is missing; get it with: npm run build && node bin/tiefsuche.js engine install llama' }, async () => {
  const other = await startServer(home, [join(models, 'last.gguf')], ['--engine', 'llama', '--context', '320']);
  const { data, usage } = await clientOf(other).embeddings.create({ model: 'last.gguf', input: all });
  data.forEach(({ embedding }, i) => near(embedding, texts[i]!.last, 1e-3)); // it keeps keys and values in 16 bits
  assert.equal(usage.prompt_tokens, texts.reduce((n, t) => n + t.ids.length, 0));
  assert.equal(await stopServer(other), 0, other.err());
});
