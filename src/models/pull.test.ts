// Pulling models against a hub on this machine: what comes, and every way it can go wrong on the way.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../ledger/testing/sample-run.ts';
import { exportGguf } from './export-gguf.ts';
import { openExportSource } from './export-source.ts';
import { openModelFiles } from './load.ts';
import { resolveModelPath } from './model-path.ts';
import { pull, type PullOptions } from './pull.ts';
import { readRecord } from './record.ts';
import { parseHubReference } from './sources/hub.ts';
import { askedWait } from './sources/patient-fetch.ts';
import { splitGguf } from './testing/split-gguf.ts';
import { openHubServer } from './testing/hub-server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)), real = join(root, 'test/data/tiny-rl-arithmetic-sequence');
const folder = Object.fromEntries(['config.json', 'generation_config.json', 'tokenizer_config.json', 'model.safetensors'].map((n) => [n, new Uint8Array(readFileSync(join(real, n)))]));
const files = { ...folder, 'README.md': Buffer.from('---\nlicense: apache-2.0\n---\n'), 'optimizer.pt': Buffer.alloc(20_000), 'img/logo.png': Buffer.alloc(9), 'old.gguf': Buffer.alloc(9) };
const repo = 'house/tiny', hub = await openHubServer({ repo, files, licence: 'apache-2.0' });
after(() => hub.close());

const waits: number[] = [];
/** Nothing waits in tests; what would have been waited is kept. */
const patience = { attempts: 3, wait: async (ms: number) => { waits.push(ms); }, say: () => {} };
const pulling = (home: string, reference = `hf:${repo}`, more: Partial<PullOptions> = {}) => pull(reference, { home, env: { HF_ENDPOINT: hub.url }, patience, ...more });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('a folder comes with what a model needs and nothing else; it is recorded, found by name and reference, and not fetched twice', async () => {
  const home = temporaryHome(), { path, record, kept } = await pulling(home);
  assert.equal(path, join(home, 'models', 'tiny'));
  assert.deepEqual(readdirSync(path).sort(), ['README.md', ...Object.keys(folder), 'source.json'].sort());
  assert.deepEqual([record.licence, record.revision, kept], ['apache-2.0', 'c0ffee'.padEnd(40, '0'), false]);
  assert.equal(record.files.find((f) => f.name === 'model.safetensors')!.sha256, sha256(folder['model.safetensors']!));
  assert.deepEqual(readRecord(path), record);
  for (const name of ['tiny', `hf:${repo}`]) assert.equal(resolveModelPath(name, home, home), path);
  const before = hub.requests.length, again = await pulling(home);
  assert.ok(again.kept && !hub.requests.slice(before).some((r) => r.path.includes('model.safetensors')));
  assert.deepEqual(readdirSync(join(home, 'models')), ['tiny']);
  await assert.rejects(pulling(home, real, { name: 'tiny', licence: () => 'mit' }), { code: 'EXISTS' });
});

test('a GGUF model in parts comes whole, from the hub and from a disk, and is one model', async () => {
  const place = temporaryHome(), whole = join(place, 'tiny.Q8_0.gguf'), source = openExportSource(real);
  try { await exportGguf(source, whole, 'Q8_0'); } finally { source.close(); }
  const parts = splitGguf(whole), names = parts.map((p) => basename(p)), offered = Object.fromEntries(parts.map((p, i) => [names[i]!, new Uint8Array(readFileSync(p))]));
  const store = await openHubServer({ repo: 'house/parts', files: { ...offered, 'README.md': Buffer.from('---\nlicense: mit\n---\n') }, licence: 'mit' }), home = temporaryHome();
  try {
    const { path, name } = await pull('hf:house/parts:q8_0', { home, env: { HF_ENDPOINT: store.url }, patience });
    assert.deepEqual([name, basename(path), resolveModelPath('tiny.Q8_0', home, home)], ['tiny.Q8_0', names[0], path]);
    const [one, several] = [openModelFiles(whole), openModelFiles(path)];
    assert.deepEqual([...several.weights.tensors.keys()], [...one.weights.tensors.keys()]);
    for (const tensor of one.weights.tensors.keys()) assert.deepEqual(several.weights.readBytes(tensor), one.weights.readBytes(tensor), tensor);
    for (const opened of [one, several]) opened.close();
  } finally {
    await store.close();
  }
  assert.equal((await pull(parts[1], { home, name: 'from-disk', licence: () => 'mit' })).record.files.length, 2);
  rmSync(parts[1]);
  await assert.rejects(pull(parts[0], { home, name: 'half', licence: () => 'mit' }), { code: 'NOT_FOUND', message: /tiny\.Q8_0-00002-of-00002\.gguf/ });
});

test('a token goes to the hub and to nobody it redirects to', async () => {
  const before = hub.requests.length;
  await pulling(temporaryHome(), `hf:${repo}@main`, { env: { HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_secret' } });
  const made = hub.requests.slice(before);
  assert.ok(made.some((r) => r.origin === 'store'));
  for (const r of made) assert.equal(r.authorization, r.origin === 'hub' ? 'Bearer hf_secret' : undefined, r.path);
});

test('cut connections are taken up where they broke', async () => {
  const before = hub.requests.length, size = folder['model.safetensors']!.length;
  hub.faults.push({ path: 'model.safetensors', cutAfter: 600_000 }, { path: 'model.safetensors', cutAfter: 300_000 });
  let done = 0;
  const { record } = await pulling(temporaryHome(), undefined, { onBytes: (n) => { done = n; } });
  const ranges = hub.requests.slice(before).filter((r) => r.origin === 'store' && r.path.includes('model.safetensors')).map((r) => Number(/\d+/.exec(r.range ?? '0')![0]));
  assert.equal(ranges.length, 3);
  assert.ok(ranges[0] === 0 && ranges[1]! > 0 && ranges[2]! > ranges[1]!, String(ranges));
  assert.equal(done, record.files.reduce((n, f) => n + f.bytes, 0));
  assert.ok(size > 1e6);
});

test('a line that stays dead ends in an error, and the next pull goes on from the part', async () => {
  const home = temporaryHome();
  hub.faults.push({ path: 'model.safetensors', cutAfter: 500_000 }, ...Array.from({ length: 5 }, () => ({ path: 'model.safetensors', cutAfter: 0 })));
  await assert.rejects(pulling(home), { code: 'NETWORK' });
  hub.faults.length = 0;
  assert.equal(existsSync(join(home, 'models', 'tiny')), false);
  const part = join(home, 'models', '.tiny.part', 'model.safetensors.part'), there = statSync(part).size, before = hub.requests.length;
  assert.ok(there > 0);
  await pulling(home);
  assert.equal(hub.requests.slice(before).find((r) => r.origin === 'store' && r.path.includes('model.safetensors'))!.range, `bytes=${there}-`);
  assert.deepEqual(readdirSync(join(home, 'models')), ['tiny']);
});

test('401, 403, 404 and 429 say what to do; 429 and 503 are waited for as the server asks', async () => {
  const home = temporaryHome(), api = `/api/models/${repo}`;
  await assert.rejects(pulling(home, 'hf:house/nothing'), { code: 'DENIED', hint: /spelling/ });
  hub.faults.push({ path: api, status: 403, headers: { 'x-error-code': 'GatedRepo', 'x-error-message': 'Access to model house/tiny is restricted' } });
  await assert.rejects(pulling(home), { code: 'DENIED', hint: /accept its terms/ });
  await assert.rejects(pulling(home, `hf:${repo}@v9`), { code: 'NOT_FOUND', message: /revision/ });
  await assert.rejects(pulling(home, `hf:${repo}:nothing.gguf`), { code: 'NOT_FOUND', hint: /old\.gguf/ });
  waits.length = 0;
  hub.faults.push({ path: api, status: 429, headers: { 'retry-after': '7' } }, { path: 'config.json', status: 503 });
  await pulling(home);
  assert.ok(waits.includes(7000) && waits.includes(500), String(waits));
  hub.faults.push({ path: api, status: 429, headers: { ratelimit: '"api";r=0;t=290' } });
  await assert.rejects(pulling(temporaryHome()), { code: 'NETWORK', message: /wait 290 s/ });
  await assert.rejects(pull('hf:a/b', { home, patience, env: { HF_ENDPOINT: 'http://127.0.0.1:1024' } }), { code: 'NETWORK', message: /127\.0\.0\.1:1024 cannot be reached/ });
  assert.equal(askedWait(new Headers({ 'retry-after': 'Wed, 25 Nov 2026 12:00:10 GMT' }), Date.parse('2026-11-25T12:00:00Z')), 10_000);
});

test('wrong content is refused by its hash, large files and small ones; a stale part is begun anew', async () => {
  const home = temporaryHome();
  for (const path of ['model.safetensors', 'config.json']) {
    hub.faults.push({ path, corrupt: true }, { path, corrupt: true });
    await assert.rejects(pulling(home), { code: path === 'config.json' ? 'FORMAT' : 'MISMATCH' });
    hub.faults.length = 0;
  }
  hub.faults.push({ path: 'generation_config.json', corrupt: true });
  await assert.rejects(pulling(temporaryHome()), { code: 'MISMATCH', message: /git hash/ });
  assert.equal(existsSync(join(home, 'models', 'tiny')), false);
  hub.faults.push({ path: 'model.safetensors', corrupt: true, cutAfter: 400_000 }, ...Array.from({ length: 4 }, () => ({ path: 'model.safetensors', cutAfter: 0 })));
  await assert.rejects(pulling(home), { code: 'NETWORK' });
  hub.faults.length = 0;
  const { record } = await pulling(home);
  assert.equal(record.files.find((f) => f.name === 'model.safetensors')!.sha256, sha256(folder['model.safetensors']!));
});

test('a disk too small is known before anything moves', async () => {
  const large = await openHubServer({ repo, files, licence: 'mit' });
  try {
    const entry = { path: `/api/models/${repo}/tree/`, status: 200, headers: { 'content-type': 'application/json' } };
    large.faults.push({ ...entry, body: JSON.stringify(['config.json', 'model.safetensors'].map((path) => ({ type: 'file', path, size: 9e15, oid: 'x', ...(path !== 'config.json' && { lfs: { oid: 'x', size: 9e15, pointerSize: 1 } }) }))) });
    await assert.rejects(pulling(temporaryHome(), undefined, { env: { HF_ENDPOINT: large.url } }), { code: 'DISK' });
    assert.equal(large.requests.filter((r) => r.path.includes('model.safetensors')).length, 0);
  } finally { await large.close(); }
});

test('models that would not load are refused before their weights are fetched', async () => {
  const other = async (config: object, more: Record<string, Uint8Array> = {}, without: string[] = []) => {
    const kept = Object.fromEntries(Object.entries({ ...files, 'config.json': Buffer.from(JSON.stringify(config)), ...more }).filter(([n]) => !without.includes(n)));
    const server = await openHubServer({ repo, files: kept }), home = temporaryHome();
    try { return await pulling(home, undefined, { env: { HF_ENDPOINT: server.url } }).then(() => null, (e: Error) => e); } finally {
      assert.equal(server.requests.filter((r) => r.path.includes('.safetensors') && !r.path.includes('index')).length, 0);
      assert.deepEqual(readdirSync(home).filter((n) => n === 'models').flatMap(() => readdirSync(join(home, 'models'))), []);
      await server.close();
    }
  };
  const good = JSON.parse(Buffer.from(folder['config.json']!).toString()) as object;
  assert.equal((await other({ model_type: 'mamba' }) as { code?: string }).code, 'UNSUPPORTED');
  assert.match((await other({ ...good, quantization_config: { quant_method: 'gptq' } }))!.message, /quantised by gptq/);
  assert.match((await other(good, {}, ['model.safetensors']))!.message, /hf:house\/tiny:old\.gguf/);
  const index = Buffer.from(JSON.stringify({ weight_map: { a: 'model-00001-of-00002.safetensors' } }));
  assert.match((await other(good, { 'model.safetensors.index.json': index }, ['model.safetensors']))!.message, /names model-00001-of-00002\.safetensors, which the repository does not hold/);
});

test('a pull that is killed goes on where it was', { timeout: 60_000 }, async () => {
  const home = temporaryHome(), part = join(home, 'models', '.tiny.part', 'model.safetensors.part');
  hub.rate = 1000;
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'pull', `hf:${repo}`, '--json'], { cwd: root, env: { ...process.env, TIEFSUCHE_HOME: home, HF_ENDPOINT: hub.url }, stdio: ['ignore', 'ignore', 'inherit'] });
  while (!existsSync(part) || statSync(part).size < 200_000) { assert.equal(child.exitCode, null); await sleep(10); }
  child.kill('SIGKILL');
  await once(child, 'exit');
  hub.rate = undefined;
  const there = statSync(part).size, before = hub.requests.length;
  assert.ok(there < folder['model.safetensors']!.length && !existsSync(join(home, 'models', 'tiny')));
  const { path } = await pulling(home), asked = hub.requests.slice(before).filter((r) => r.origin === 'store');
  assert.deepEqual(asked.filter((r) => r.path !== '/config.json').map((r) => [r.path, r.range]), [['/model.safetensors', `bytes=${there}-`]]); // config.json is read to decide
  assert.equal(sha256(readFileSync(join(path, 'model.safetensors'))), sha256(folder['model.safetensors']!));
});

test('an address of a GGUF file, and a file or folder from a disk', async () => {
  const home = temporaryHome(), stick = temporaryHome();
  cpSync(real, join(stick, 'mine'), { recursive: true });
  writeFileSync(join(stick, 'mine', 'optimizer.pt'), 'x');
  rmSync(join(stick, 'mine', 'LICENSE'), { force: true });
  await assert.rejects(pulling(home, join(stick, 'mine'), { licence: (said) => { assert.equal(said, null); throw Object.assign(new Error('asked'), { code: 'USAGE' }); } }), /asked/);
  const { path, record } = await pulling(home, join(stick, 'mine'), { licence: (said) => said ?? 'apache-2.0' });
  assert.deepEqual([record.licence, readdirSync(path).includes('optimizer.pt')], ['apache-2.0', false]);
  mkdirSync(join(stick, 'broken'));
  cpSync(join(real, 'config.json'), join(stick, 'broken', 'config.json'));
  writeFileSync(join(stick, 'broken', 'model.safetensors'), 'x');
  await assert.rejects(pulling(home, join(stick, 'broken'), { licence: () => 'mit' }), { code: 'FORMAT' });
  await assert.rejects(pulling(home, join(stick, 'none')), { code: 'NOT_FOUND', hint: /hf:OWNER/ });
  await assert.rejects(pulling(home, `${hub.url}/file.bin`), { code: 'USAGE' });
  assert.deepEqual(readdirSync(join(home, 'models')), ['mine']);
});

test('references to the hub', () => {
  const read = (text: string) => { const r = parseHubReference(text); return r && [r.repo, r.revision, r.file]; };
  assert.deepEqual(read('hf:a/b'), ['a/b', undefined, undefined]);
  assert.deepEqual(read('hf:a/b.c@refs/pr/1:x/y.gguf'), ['a/b.c', 'refs/pr/1', 'x/y.gguf']);
  assert.deepEqual(read('https://huggingface.co/a/b'), ['a/b', undefined, undefined]);
  assert.deepEqual(read('https://huggingface.co/a/b/resolve/main/q4.gguf?download=true'), ['a/b', 'main', 'q4.gguf']);
  for (const wrong of ['hf:a', 'hf:../b:', 'https://example.org/a/b', 'hf:a/b/c']) assert.equal(read(wrong), null, wrong);
});

test('the commands: pull and models add answer scripts, with licence and fit; without a licence add asks or refuses', { timeout: 120_000 }, async () => {
  const home = temporaryHome(), stick = join(temporaryHome(), 'nameless');
  const tiefsuche = (...args: string[]): Promise<{ status: number; out: Record<string, unknown>; err: string }> => new Promise((done) => {
    execFile(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args, '--json'], { cwd: root, env: { ...process.env, TIEFSUCHE_HOME: home, HF_ENDPOINT: hub.url, TIEFSUCHE_THREADS: '1' } },
      (error, stdout, stderr) => done({ status: Number(error?.code ?? 0), out: stdout.trim() === '' ? {} : JSON.parse(stdout) as Record<string, unknown>, err: stderr }));
  });
  const pulled = await tiefsuche('pull', `hf:${repo}`);
  assert.equal(pulled.status, 0, pulled.err);
  assert.deepEqual([pulled.out['path'], pulled.out['licence']], [join(home, 'models', 'tiny'), 'apache-2.0']);
  const fit = pulled.out['fit'] as { fits: boolean; weight_bytes: number; cache_bytes: number; tokens_per_second_estimated: number };
  assert.ok(fit.fits && fit.weight_bytes > 1e6 && fit.cache_bytes > 0 && fit.tokens_per_second_estimated > 0);
  mkdirSync(stick);
  for (const name of Object.keys(folder)) writeFileSync(join(stick, name), folder[name]!);
  const asked = await tiefsuche('models', 'add', stick);
  assert.equal(asked.status, 2);
  assert.match(asked.err, /under which licence/);
  assert.equal(existsSync(join(home, 'models', 'nameless')), false);
  const added = await tiefsuche('models', 'add', stick, '--licence', 'mit');
  assert.deepEqual([added.status, added.out['licence']], [0, 'mit'], added.err);
  const listed = (await tiefsuche('models')).out as unknown as { name: string; licence: string; fit: { fits: boolean } }[];
  assert.deepEqual(listed.map((m) => [m.name, m.licence, m.fit.fits]), [['nameless', 'mit', true], ['tiny', 'apache-2.0', true]]);
});
