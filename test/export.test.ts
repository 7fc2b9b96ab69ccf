// `tiefsuche export` from the command line, against llama.cpp on the files it wrote: a real llama, qwen2, qwen3 and our own
// DeepSeek architecture. llama.cpp is fetched, never committed: without it these tests are skipped on a developer's
// machine and fail where CI is set, naming the command that gets it.

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RandomStream } from '../src/engine/random.ts';
import { readSafetensors } from '../src/models/formats/safetensors.ts';
import { writeSafetensors } from '../src/models/formats/safetensors-write.ts';
import { readGguf } from '../src/models/formats/gguf.ts';
import type { ModelConfig } from '../src/models/formats/model-files.ts';
import { architectureOf } from '../src/models/index.ts';
import { charTokenizer } from '../src/tokenizer/char-tokenizer.ts';

const root = fileURLToPath(new URL('..', import.meta.url)), place = mkdtempSync(join(tmpdir(), 'tiefsuche-export-'));
after(() => rmSync(place, { recursive: true, force: true }));
const installed = existsSync(join(root, 'engines/llama/node_modules/node-llama-cpp'));
const missing = 'llama.cpp is missing; get it with: npm run setup && node bin/tiefsuche.js engine install llama';
const needsLlama = { skip: installed || process.env['CI'] ? false : missing } as const;
const real = join(root, 'test/data/tiny-rl-arithmetic-sequence');

interface Proof { passed: boolean; problems: string[]; missing: string | null; formatLoss: Side; engineDifference: Side | null; template: { same: boolean } | null; tokens: { same: boolean } }
interface Side { top1: number; largestMargin: number; meanKl: number; largestLogitDifference: number; greedy: { same: boolean } }

function tiefsuche(...args: string[]): { status: number | null; out: { passed: boolean; files: string[]; parity: Proof; notes: string[]; error?: { code: string; message: string } } } {
  const done = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args, '--json'], { cwd: root, encoding: 'utf8', env: { ...process.env, TIEFSUCHE_HOME: join(place, 'home') } });
  return { status: done.status, out: JSON.parse(done.stdout.trim() || done.stderr.trim()) as never };
}

/** A random model of test/fixtures/tiny with a tokenizer of letters. */
function tiny(name: string, settings: object = {}): string {
  const from = join(root, 'test/fixtures/tiny', name), to = mkdtempSync(join(place, `model-${name}-`));
  mkdirSync(to, { recursive: true });
  cpSync(join(from, 'model.safetensors'), join(to, 'model.safetensors'));
  writeFileSync(join(to, 'config.json'), JSON.stringify({ ...JSON.parse(readFileSync(join(from, 'config.json'), 'utf8')) as object, ...settings }));
  const { tokenizerJson, tokenizerConfig } = charTokenizer([...'abcdefghij äß€\n1'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' });
  writeFileSync(join(to, 'tokenizer.json'), JSON.stringify(tokenizerJson));
  writeFileSync(join(to, 'tokenizer_config.json'), JSON.stringify(tokenizerConfig));
  return to;
}

/** A vocabulary like SentencePiece's: bytes, letters and some of their merges; `prefix`: a blank before the text. */
function pieces(folder: string, prefix: boolean): void {
  const vocab: Record<string, number> = { '<unk>': 0, '<e>': 1 }, merges = ['d e', '▁ de', 'a n', 'an d', '▁ and', 'e r', 'i n', 't h', 'th e', '▁ the', 'c h', 'e i', 'ei n', 'e in', '▁ ein', 's t', 'u n', 'un d'];
  for (let b = 0; b < 256; b++) vocab[`<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`] = b + 2;
  for (const token of [...'▁abcdefghijklmnopqrstuvwxyzäß', ...new Set(merges.map((m) => m.replace(' ', '')))]) vocab[token] = Object.keys(vocab).length;
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' }, added = ['<unk>', '<e>'].map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify({
    version: '1.0', truncation: null, padding: null, added_tokens: added, normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] } : replace, pre_tokenizer: null, post_processor: null,
    decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [])] },
    model: { type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, ignore_merges: false, vocab, merges },
  }));
  writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<e>', unk_token: '<unk>' }));
}

/** The fixture's tensors with `layers` layers, its own again and again, and rows of the embedding for 320 tokens. */
async function enlarge(folder: string, layers: number): Promise<void> {
  const file = readSafetensors(join(folder, 'model.safetensors')), own = Math.max(...[...file.tensors.keys()].map((n) => Number(/^model\.layers\.(\d+)\./.exec(n)?.[1] ?? -1))) + 1;
  const tensors = [...file.tensors.values()].flatMap(({ name, shape }) => {
    const data = file.readFloat32(name), layer = /^model\.layers\.(\d+)\./.exec(name)?.[1], [rows, C] = shape as [number, number];
    if (layer !== undefined) return Array.from({ length: layers }, (_, i) => i).filter((i) => i % own === Number(layer)).map((i) => ({ name: name.replace(`layers.${layer}.`, `layers.${i}.`), shape, data }));
    if (!/embed_tokens|lm_head/.test(name)) return [{ name, shape, data }];
    return [{ name, shape: [320, C], data: Float32Array.from({ length: 320 * C }, (_, i) => data[(Math.floor(i / C) % rows) * C + (i + Math.floor(i / C / rows)) % C]!) }];
  });
  file.close();
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
}

/** Gemma 3 as llama.cpp has it: seven layers of which the sixth sees all. */
async function gemma(): Promise<string> {
  const folder = tiny('gemma3', {
    vocab_size: 320,
    num_hidden_layers: 7, layer_types: null, sliding_window_pattern: 6, _sliding_window_pattern: 6, query_pre_attn_scalar: 12,
    rope_parameters: { full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1e6 }, sliding_attention: { rope_type: 'default', rope_theta: 10000 } },
  });
  pieces(folder, false);
  await enlarge(folder, 7);
  return folder;
}

async function llamaOfPieces(): Promise<string> {
  const folder = tiny('llama', { vocab_size: 320 });
  pieces(folder, true);
  await enlarge(folder, 3);
  return folder;
}

/** A random llama whose rows are all multiples of 256, as the blocks of K types want them: large enough in its numbers to say something. */
async function wide(): Promise<string> {
  const folder = tiny('llama', { hidden_size: 256, intermediate_size: 512, head_dim: 64, num_hidden_layers: 2 }), config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as ModelConfig, random = new RandomStream(3, 0);
  const tensors = architectureOf('llama').parameters(config).map(({ name, shape, kind }) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    return { name, shape, data: kind === 'vector' ? data.fill(1) : data.map(() => 0.2 * (random.uniform() - 0.5)) };
  });
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, { format: 'pt' });
  return folder;
}

const models: readonly (readonly [name: string, model: () => string | Promise<string>])[] = [
  ['a real llama', () => real],
  ...['llama', 'llama3-rope', 'qwen2', 'qwen3', 'deepseek-v2', 'deepseek-v3', 'deepseek-v3-groups', 'deepseek-v3-qlora-yarn'].map((n) => [n, (): string => tiny(n)] as const),
  // The same weights under settings that a GGUF file can say.
  ['smollm3', () => tiny('smollm3', { no_rope_layers: [1, 1, 1, 0], no_rope_layer_interval: 4, use_sliding_window: false, sliding_window: null, layer_types: null })],
  ['gemma3 with pieces', gemma], ['a llama with pieces and a blank before them', llamaOfPieces],
  ['qwen3-moe', () => tiny('qwen3-moe', { num_hidden_layers: 1, mlp_only_layers: [] })],
];

for (const [name, model] of models) {
  test(`${name} in F32 says the same in llama.cpp`, needsLlama, async () => {
    if (!installed) throw new Error(missing);
    const out = join(place, `out-${name.replaceAll(' ', '-')}`), { status, out: { passed, parity, error } } = tiefsuche('export', await model(), '--to', 'gguf', '--out', out);
    assert.equal(status, 0, error?.message ?? parity?.problems.join('; '));
    assert.ok(passed && parity.missing === null && parity.tokens.same && (parity.template?.same ?? true));
    assert.equal(parity.formatLoss.largestLogitDifference, 0);
    const { top1, largestMargin, greedy } = parity.engineDifference!;
    assert.ok(top1 >= 0.995 && largestMargin < 0.02 && greedy.same);
    assert.equal((JSON.parse(readFileSync(join(out, 'parity.json'), 'utf8')) as { passed: boolean }).passed, true);
  });
}

test('F16, BF16, Q8_0, Q6_K, Q5_K and Q4_K say in llama.cpp what they say here, each with a loss of its own', needsLlama, async () => {
  if (!installed) throw new Error(missing);
  const model = await wide(), losses: number[] = [];
  for (const format of ['F16', 'BF16', 'Q8_0', 'Q6_K', 'Q5_K', 'Q4_K']) {
    const { status, out: { passed, parity, notes, error } } = tiefsuche('export', model, '--to', 'gguf', '--format', format, '--out', join(place, `wide-${format}`));
    assert.equal(status, 0, `${format}: ${error?.message}`);
    assert.ok(passed && parity.missing === null && parity.tokens.same && parity.engineDifference !== null);
    assert.deepEqual(notes, [], 'nothing fell back: every matrix has the format');
    losses.push(parity.formatLoss.meanKl);
  }
  assert.deepEqual(losses, [...losses].sort((a, b) => a - b), 'fewer bits lose more');
  assert.ok(losses[0]! > 0 && losses.every((loss, i) => i === 0 || loss > losses[i - 1]!));
});

test('an adapter apart says the same on its base in llama.cpp, and our engine reads it again', needsLlama, () => {
  if (!installed) throw new Error(missing);
  const out = join(place, 'apart'), { status, out: { passed, parity, files } } = tiefsuche('export', tiny('llama'), '--adapter', join(root, 'test/fixtures/tiny-lora'), '--to', 'gguf', '--lora', 'apart', '--out', out);
  assert.equal(status, 0, parity?.problems.join('; '));
  assert.deepEqual(files.sort(), ['parity.json', 'tiny-lora.lora.gguf']);
  assert.ok(passed && parity.missing === null && parity.formatLoss.largestLogitDifference === 0 && parity.engineDifference!.greedy.same && parity.engineDifference!.top1 >= 0.995);
});

test('Q8_0 for Ollama: format loss apart from engine difference, fallbacks listed, a Modelfile beside it', needsLlama, () => {
  if (!installed) throw new Error(missing);
  const out = join(place, 'ollama'), { status, out: { parity, files, notes } } = tiefsuche('export', real, '--to', 'ollama', '--out', out);
  assert.equal(status, 0, parity?.problems.join('; '));
  assert.ok(parity.formatLoss.meanKl > 0 && parity.formatLoss.meanKl < 1e-3 && parity.engineDifference!.meanKl < 1e-3);
  assert.ok(files.includes('Modelfile') && notes.some((n) => /4 × F16 \(rows of 344\)/.test(n)));
  const file = readGguf(join(out, 'tiny-rl-arithmetic-sequence.Q8_0.gguf'));
  assert.equal(file.metadata.get('general.license'), 'apache-2.0');
  file.close();
  assert.match(readFileSync(join(out, 'Modelfile'), 'utf8'), /^FROM \.\/tiny-rl-arithmetic-sequence\.Q8_0\.gguf\nTEMPLATE """.*\{\{ \.Content \}\}/s);
});

test('a folder that holds something else is not replaced, and a failing export leaves nothing', () => {
  const taken = join(place, 'taken');
  mkdirSync(taken);
  writeFileSync(join(taken, 'letter.txt'), 'mine');
  assert.equal(tiefsuche('export', real, '--to', 'hf', '--out', taken).out.error?.code, 'EXISTS');
  const none = join(place, 'none');
  assert.equal(tiefsuche('export', real, '--to', 'hf', '--format', 'Q8_0', '--out', none).out.error?.code, 'USAGE');
  assert.equal(existsSync(none), false);
});

test('an engine that says otherwise fails the export, and nothing is kept; --force keeps it, marked', () => {
  // In the place of transformers: answers with the model's own tokens and logits that know nothing.
  const liar = join(place, 'liar.mjs'), out = join(place, 'disputed');
  writeFileSync(liar, `#!${process.execPath}
import { readFileSync, writeFileSync } from 'node:fs';
if (process.argv[2] === '-c') process.exit(0);
const r = JSON.parse(readFileSync(0, 'utf8')), vocab = JSON.parse(readFileSync(r.model + '/config.json', 'utf8')).vocab_size;
writeFileSync(r.logits, new Float32Array(vocab * r.ids.reduce((n, ids) => n + ids.length, 0)));
console.log(JSON.stringify({ engine: 'a liar', vocab, texts: r.texts.map(() => []), template: null, greedy: [0], ends: [1], end: 1, framed: [], chat: null }));
`, { mode: 0o755 });
  const refused = tiefsuche('export', real, '--to', 'hf', '--out', out, '--python', liar);
  assert.equal(refused.out.error?.code, 'MISMATCH');
  assert.equal(existsSync(out), false);
  const forced = tiefsuche('export', real, '--to', 'hf', '--out', out, '--python', liar, '--force');
  assert.deepEqual([forced.status, forced.out.passed], [0, false]);
  const record = JSON.parse(readFileSync(join(out, 'parity.json'), 'utf8')) as { passed: boolean; forced: boolean; problems: string[] };
  assert.ok(!record.passed && record.forced && record.problems.some((p) => /a liar/.test(p)));
});

test('an engine that cannot load the export: nothing is kept, and --force keeps it with what the engine said', () => {
  const failing = join(place, 'failing.mjs'), out = join(place, 'unloadable');
  writeFileSync(failing, `#!${process.execPath}
if (process.argv[2] === '-c') process.exit(0);
console.error('unknown tensor model.layers.7'); process.exit(1);
`, { mode: 0o755 });
  const { error } = tiefsuche('export', real, '--to', 'hf', '--out', out, '--python', failing).out;
  assert.equal(error?.code, 'MISMATCH');
  assert.match(error.message, /unknown tensor model\.layers\.7/);
  assert.equal(existsSync(out), false);
  const forced = tiefsuche('export', real, '--to', 'hf', '--out', out, '--python', failing, '--force');
  assert.deepEqual([forced.status, forced.out.passed], [0, false]);
  const record = JSON.parse(readFileSync(join(out, 'parity.json'), 'utf8')) as { passed: boolean; forced: boolean; problems: string[] };
  assert.ok(existsSync(join(out, 'model.safetensors')) && !record.passed && record.forced && record.problems.some((p) => /unknown tensor/.test(p)));
});

test('a disk that is full in the middle of an export: an error with a code, and nothing under the name', { skip: process.platform === 'win32' }, () => {
  const out = join(place, 'full');
  for (const [to, kibibytes] of [['gguf', 900], ['hf', 1200]] as const) {
    const { status, stderr } = spawnSync('bash', ['-c', `ulimit -f ${kibibytes} && exec "$@"`, 'bash', process.execPath, '--import', 'tsx', 'src/cli/main.ts', 'export', real, '--to', to, '--out', out, '--json'], { cwd: root, encoding: 'utf8', env: { ...process.env, TIEFSUCHE_HOME: join(place, 'home') } });
    assert.equal(status, 3, stderr);
    assert.equal((JSON.parse(stderr.trim()) as { error: { code: string } }).error.code, 'DISK');
    assert.deepEqual(readdirSync(place).filter((n) => n.includes('full')), []);
  }
});
