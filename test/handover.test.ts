// A run is handed over, and what came back becomes a run: the files are what TRL and vLLM read, the record says who trained
// it and how much is known of its cost. trainer_state.json is TRL's own, from such a job (test/python/handover.sh does one).

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-handover-')), out = join(folder, 'out');
after(() => rmSync(folder, { recursive: true, force: true }));
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)), env = { ...process.env, TIEFSUCHE_HOME: join(folder, 'home'), NO_COLOR: '1' };
function tiefsuche(...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, ...args], { encoding: 'utf8', env });
  return { status, out: stdout, err: stderr };
}
const recipe = join(fileURLToPath(new URL('fixtures/handover', import.meta.url)), 'recipe.yaml');
const read = (name: string, at = out): string => readFileSync(join(at, name), 'utf8');

test('TRL gets the model, the rows with prompt and completion apart, the settings of the stage, and a job', () => {
  const trained = tiefsuche('train', recipe, '--run', 'calendar', '--json');
  assert.equal(trained.status, 0, trained.err);
  const handed = tiefsuche('handover', 'calendar', '--to', 'trl', '--nodes', '2', '--gpus', '4', '--out', out);
  assert.equal(handed.status, 0, handed.err);
  const yaml = parse(read('sft.yaml')) as Record<string, unknown>, accelerate = parse(read('accelerate.yaml')) as Record<string, unknown>, job = read('job.sbatch');
  assert.deepEqual([yaml['max_steps'], yaml['per_device_train_batch_size'], yaml['learning_rate'], yaml['warmup_steps'], yaml['adam_beta2'], yaml['completion_only_loss']], [4, 1, 0.003, 10, 0.95, true], 'eight rows a step on eight GPUs');
  assert.match(read('sft.yaml'), /adam_epsilon: 1\.0e-8/, 'a number to PyYAML, too');
  assert.deepEqual([accelerate['distributed_type'], accelerate['num_machines'], accelerate['num_processes']], ['FSDP', 2, 8]);
  assert.match(job, /#SBATCH --nodes=2[\s\S]*--gpus-per-node=4[\s\S]*srun bash -c "accelerate launch .*--machine_rank \\\$SLURM_NODEID/);
  for (const script of ['job.sbatch', 'start.sh']) assert.equal(spawnSync('bash', ['-n', join(out, script)]).status, 0, script);
  const rows = read('data/train.jsonl').trim().split('\n').map((line) => JSON.parse(line) as { prompt: { role: string }[]; completion: { role: string; content: string }[] });
  assert.equal(rows.length, 4 * 8);
  assert.ok(rows.every((r) => r.prompt.at(-1)!.role === 'user' && r.completion.length === 1 && /^<think>.+<\/think>.+/s.test(r.completion[0]!.content)));
  assert.ok(['model/model.safetensors', 'model/tokenizer.json', 'model/config.json', 'README.md', 'requirements.txt', 'data/test.jsonl'].every((f) => existsSync(join(out, f))));
});

test('a run that ends with reinforcement is handed over as that: problems with what judges them, reward.py, the settings', () => {
  const place = join(folder, 'grpo'), trained = tiefsuche('train', join(recipe, '..', 'grpo.yaml'), '--run', 'reinforced', '--set', 'stages.0.steps=2', '--set', 'stages.1.steps=1', '--json');
  assert.equal(trained.status, 0, trained.err);
  const handed = tiefsuche('handover', 'reinforced', '--to', 'trl', '--nodes', '1', '--gpus', '3', '--steps', '6', '--out', place);
  assert.equal(handed.status, 0, handed.err);
  const yaml = parse(read('grpo.yaml', place)) as Record<string, unknown>;
  assert.deepEqual(['reward_funcs', 'num_generations', 'max_completion_length', 'scale_rewards', 'beta', 'epsilon_high', 'max_steps', 'learning_rate'].map((key) => yaml[key]), [['reward.score'], 4, 64, 'none', 0, 0.28, 6, 0.001]);
  const each = Number(yaml['per_device_train_batch_size']) * Number(yaml['gradient_accumulation_steps']);
  assert.deepEqual([each, each * 3 % 4], [8, 0], '16 completions do not fall to three processes in whole groups; 24 do');
  const rows = read('data/train.jsonl', place).trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(rows.length, 6 * 4);
  assert.ok(rows.every((r) => r['verifier'] === 'choice' && r['thinks'] === true && /^\w+day$/.test(String(r['expected']))));
  assert.match(read('reward.py', place), /def score\(completion_ids, [\s\S]*\nLONGEST, MARGIN = 64, 0\n.*\nOPEN, CLOSE, INSIDE = "<think>", "<\/think>", False\n$/);
  assert.match(read('start.sh', place), /-m trl\.scripts\.grpo --config grpo\.yaml/);
  assert.equal((JSON.parse(read('handover.json', place)) as { method: string }).method, 'grpo');
  const earlier = join(folder, 'sft');
  assert.equal(tiefsuche('handover', 'reinforced', '--to', 'trl', '--method', 'sft', '--out', earlier).status, 0);
  assert.ok(existsSync(join(earlier, 'sft.yaml')) && !existsSync(join(earlier, 'reward.py')));
  assert.match(tiefsuche('handover', 'calendar', '--to', 'trl', '--method', 'grpo', '--out', join(folder, 'y')).err, /has no stage of grpo/);
});

test('what came back is a run that grew from the other, with metrics, and with energy only as far as it is known', () => {
  const early = tiefsuche('import', out, '--run', 'back');
  assert.match(early.err, /cost\.json.*has it finished/s);
  cpSync(join(out, 'model'), join(out, 'result'), { recursive: true });
  mkdirSync(join(out, 'result', 'checkpoint-6'));
  cpSync(fileURLToPath(new URL('fixtures/handover/trainer_state.json', import.meta.url)), join(out, 'result', 'checkpoint-6', 'trainer_state.json'));
  writeFileSync(join(out, 'result', 'cost.json'), '{"started": 1000, "ended": 1090, "nodes": 2, "gpus_per_node": 4, "joules": null}\n');
  const back = tiefsuche('import', out, '--run', 'back', '--json');
  assert.equal(back.status, 0, back.err);
  const { steps, seconds, joules, path } = JSON.parse(back.out) as { steps: number; seconds: number; joules: { value: number | null; grade: string }; path: string };
  assert.deepEqual([steps, seconds, joules.value, joules.grade], [6, 90, null, 'declared']);
  const metrics = read('metrics.jsonl', path).trim().split('\n').map((line) => JSON.parse(line) as Record<string, number>);
  assert.deepEqual([metrics.length, metrics[5]!['step'], typeof metrics[5]!['heldout_loss']], [6, 6, 'number']);
  assert.deepEqual(readFileSync(join(path, 'final', 'model.safetensors')), readFileSync(join(out, 'model', 'model.safetensors')));
  const told = tiefsuche('import', out, '--run', 'told', '--watts', '500', '--json');
  assert.equal((JSON.parse(told.out) as { joules: { value: number } }).joules.value, 500 * 2 * 90);
  const bill = tiefsuche('bill', 'told', '--json');
  assert.match(bill.out, /calendar/, 'the run it grew from is in its bill');
  assert.equal(tiefsuche('ledger', 'verify').status, 0);
  assert.match(tiefsuche('import', out, '--run', 'back').err, /there is a run called "back" already/);
  writeFileSync(join(out, 'model', 'generation_config.json'), '{}');
  assert.match(tiefsuche('import', out, '--run', 'changed').err, /is not what was handed over/);
});

test('vLLM gets a command and a job; what cannot be handed over is refused in words', () => {
  const place = join(folder, 'vllm');
  assert.equal(tiefsuche('handover', 'calendar', '--to', 'vllm', '--nodes', '2', '--gpus', '4', '--out', place).status, 0);
  assert.match(read('job.sbatch', place), /vllm serve model --served-model-name calendar --max-model-len 256 --tensor-parallel-size 4 --pipeline-parallel-size 2/);
  for (const script of ['job.sbatch', 'start.sh']) assert.equal(spawnSync('bash', ['-n', join(place, script)]).status, 0, script);
  assert.match(tiefsuche('handover', 'calendar', '--to', 'vllm', '--gpus', '0', '--out', join(folder, 'x')).err, /vLLM needs GPUs/);
  assert.ok(!existsSync(join(folder, 'x')), 'nothing half-written');
  assert.match(tiefsuche('handover', 'calendar', '--to', 'somebody').err, /nothing is handed over to "somebody"/);
  assert.match(tiefsuche('handover', 'calendar', '--to', 'trl', '--out', place).err, /is there already/);
});
