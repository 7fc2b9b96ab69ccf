// `tiefsuche specialise` as a person calls it, on the real tiny Llama: it says what it will take, learns, compares, is
// killed and goes on, and says so when a model did not become better.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chooseMetric, prepareData } from '../src/training/specialise.ts';
import { dialogueOf } from '../src/training/dialogue.ts';
import { readRows } from '../src/training/rows-file.ts';

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const model = file('data/tiny-rl-arithmetic-sequence'), folder = mkdtempSync(join(tmpdir(), 'tiefsuche-specialise-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const call = ['--import', 'tsx', file('../src/cli/main.ts'), 'specialise', model];
const env = { ...process.env, TIEFSUCHE_HOME: join(folder, 'home'), NO_COLOR: '1' };
function specialise(...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...call, ...args], { encoding: 'utf8', env });
  return { status, out: stdout, err: stderr };
}

/** Real prompts, 8,3:9,4; the answer is their first number. */
async function data(split: 'train' | 'test', rows: number): Promise<string> {
  const path = join(folder, `${split}.jsonl`), asked = (await readRows(file(`../recipes/data/digit-sequence/${split}.parquet`))).map((r) => (r['prompt'] as { content: string }[])[0]!.content);
  writeFileSync(path, asked.slice(0, rows).map((prompt) => `${JSON.stringify({ prompt, completion: prompt[0] })}\n`).join(''));
  return path;
}

test('the metric follows the answers', () => {
  const of = (answers: readonly string[]) => chooseMetric({ train: answers.map((answer, i) => dialogueOf({ prompt: `q${i}`, completion: answer }, '')), test: [] }).metric;
  assert.equal(of(['12', '1,250.50 €', '-3', '#### 72', 'so\n#### 1,007']), 'number');
  assert.equal(of(Array.from({ length: 20 }, (_, i) => ['ja', 'Nein'][i % 2]!)), 'choice');
  assert.equal(of(['7,2,6,1', '3,3', '8', '1,2,3,4,5', '2,2,2']), 'exact');
  assert.equal(of(['§ 5', '§ 6 Abs. 2', '§ 7', '§ 8', '§ 9']), 'exact');
  assert.equal(of(['Ein langer Satz, der erklärt, warum die Wand so hoch sein darf.', 'x']), 'bits_per_byte');
});

test('it learns, compares, and says the same when called again; killed in the middle, it goes on', async () => {
  const paths = [await data('train', 500), await data('test', 100)], args = ['--data', paths[0]!, '--test', paths[1]!, '--full', '--lr', '0.02', '--batch', '32', '--epochs', '4', '--run', 'digits', '--json'];
  const prepared = await prepareData(paths[0]!, paths[1]);
  assert.ok(prepared.removed.inTest > 0 && prepared.removed.duplicates > 0, 'these files overlap');
  const plan = specialise(...args, '--plan');
  assert.equal(plan.status, 0, plan.err);
  const { seconds, memory_bytes, kwh, metric, steps, ways } = JSON.parse(plan.out);
  assert.ok(ways.length === 6 && ways.every((w: { fits: boolean; longest_row: number; memory_bytes: number }) => w.fits && w.longest_row > 0 && w.memory_bytes > 1e7), plan.out);
  assert.deepEqual(ways.filter((w: { chosen: boolean }) => w.chosen).map((w: { name: string }) => w.name), ['full']);
  assert.ok(seconds > 0 && memory_bytes > 1e7 && kwh.grade === 'estimated' && metric === 'number' && steps === Math.ceil((4 * prepared.train.length) / 32));
  assert.ok(!existsSync(join(folder, 'home', 'runs', 'digits')), 'a plan begins nothing');

  const killed = spawn(process.execPath, [...call, ...args], { env }), metrics = join(folder, 'home', 'runs', 'digits', 'metrics.jsonl');
  const exited = once(killed, 'exit');
  while (killed.exitCode === null && !(existsSync(metrics) && readFileSync(metrics, 'utf8').split('\n').length > 20)) await new Promise((r) => { setTimeout(r, 50); });
  killed.kill('SIGKILL');
  await exited;
  const done = specialise(...args);
  assert.equal(done.status, 0, done.err);
  const outcome = JSON.parse(done.out);
  assert.ok(outcome.better && outcome.after > outcome.before + 0.3 && outcome.after <= 1, done.out);
  const compared = readFileSync(join(folder, 'home', 'runs', 'digits', 'comparison.md'), 'utf8');
  assert.match(compared, /^# digits beside /);
  assert.equal(compared.match(/^## \d+$/gm)!.length, 20);
  assert.match(compared, /\*\*digits\*\*, right\n\n> \d/);
  assert.equal(outcome.general, null, 'a vocabulary of digits forgets no English');
  const again = JSON.parse(specialise(...args).out);
  assert.deepEqual([again.before, again.after, again.metric], [outcome.before, outcome.after, outcome.metric]);

  const other = join(folder, 'other.jsonl'), moved = join(folder, 'moved.jsonl');
  writeFileSync(other, readFileSync(paths[0]!, 'utf8').split('\n').slice(3).join('\n'));
  copyFileSync(paths[0]!, moved);
  for (const [changed, difference] of [
    [args.map((a) => (a === '4' ? '1' : a)), /--epochs was 4, now 1/], [args.map((a) => (a === paths[0] ? other : a)), /--data was .*train\.jsonl .*now .*other\.jsonl/],
    [args.filter((a) => a !== '--test' && a !== paths[1]), /--test was .*now none/], [args.filter((a) => a !== '--full'), /--full was given, now not given/],
  ] as const) {
    const refused = specialise(...changed);
    assert.deepEqual([refused.status, refused.out], [2, ''], 'no number of another request is shown');
    assert.match(refused.err, difference);
    assert.match(refused.err, /another --run NAME.*tiefsuche specialise .* --data .* --epochs 4 --batch 32 --lr 0\.02 .*--full .*--run digits/s);
  }
  const absent = spawnSync(process.execPath, [...call.slice(0, -1), 'NO-SUCH-MODEL', ...args], { encoding: 'utf8', env });
  assert.deepEqual([absent.status, /there is no model .*NO-SUCH-MODEL/.test(absent.stderr)], [2, true], absent.stderr);
  assert.equal(specialise(...args.map((a) => (a === paths[0] ? moved : a))).status, 0, 'the same bytes elsewhere are the same data');
});

test('Ctrl-C while it measures ends it, and nothing has begun', async () => {
  const measuring = spawn(process.execPath, [...call, '--data', await data('train', 500), '--full', '--run', 'early'], { env });
  let said = '';
  const exited = once(measuring, 'exit'), heard = (part: string): Promise<void> => new Promise((resolve) => { measuring.stderr.on('data', (piece: Buffer) => { said += String(piece); if (said.includes(part)) resolve(); }); });
  await Promise.race([heard('measuring with a few steps'), exited]);
  measuring.kill('SIGINT');
  assert.deepEqual(await exited, [130, null], said);
  assert.match(said, /nothing has begun/);
  assert.ok(!existsSync(join(folder, 'home', 'runs', 'early')));
});

test('a name that is no name of a run is refused before anything is written', async () => {
  const paths = ['--data', await data('train', 200), '--test', await data('test', 40)], refused = specialise(...paths, '--run', '../../outside');
  assert.deepEqual([refused.status, /cannot be the name of a run/.test(refused.err)], [2, true], refused.err);
  assert.ok(!existsSync(join(folder, 'outside')));
});

test('a model that did not get better says so', async () => {
  const answer = specialise('--data', await data('train', 64), '--test', await data('test', 40), '--lr', '1e-7', '--epochs', '1', '--run', 'nothing');
  assert.equal(answer.status, 0, answer.err);
  assert.match(answer.out, /not better than the untouched model: keep using .*What to change/s);
});

test('plain text is measured in bits per byte', async () => {
  const path = join(folder, 'text.jsonl');
  writeFileSync(path, Array.from({ length: 60 }, (_, i) => `${JSON.stringify({ text: Array.from({ length: 8 }, (__, k) => (i + k) % 9).join(',') + (i % 2 ? ':' : '') })}\n`).join(''));
  const { out, err, status } = specialise('--data', path, '--full', '--lr', '0.02', '--run', 'text', '--json');
  assert.equal(status, 0, err);
  const { metric, before, after: later, better } = JSON.parse(out);
  assert.ok(metric === 'bits_per_byte' && better && later < before && later > 0, out);
});

test('too little time, too few rows, no data: refused with what to do', async () => {
  const paths = ['--data', await data('train', 200), '--test', await data('test', 40)];
  const late = specialise(...paths, '--max-hours', '0.0001', '--run', 'late');
  assert.deepEqual([late.status, /--max-hours allows/.test(late.err)], [2, true], late.err);
  const few = join(folder, 'few.jsonl');
  writeFileSync(few, '{"prompt":"1","completion":"2"}\n');
  assert.match(specialise('--data', few, '--run', 'few').err, /too few/);
  assert.match(specialise('--run', 'none').err, /what should it learn/);
  assert.match(specialise('--data', join(folder, 'absent.jsonl')).err, /there is no file/);
  assert.ok(!existsSync(join(folder, 'home', 'runs', 'late')));
});
