// Shared by tests: small runs as processes of the command line, killed at chosen moments and resumed, and what must be
// equal afterwards.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { verifyLedger } from '../src/ledger/verify.ts';
import { listAttempts, readAttempt } from '../src/ledger/workspace.ts';
import { readCheckpointLog } from '../src/training/checkpoint-log.ts';
import { hashFolder, listCheckpoints } from '../src/runs/run-folder-checkpoints.ts';
import { readMetrics, withoutTime } from '../src/runs/run-folder-metrics.ts';
import { openRun } from '../src/runs/run-folder.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

const problems = '{tasks: [{task: calendar, difficulty: 1}], languages: [en]}';
const models: Readonly<Record<string, string>> = {
  llama: '{type: llama, hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 24, intermediate_size: 96, max_position_embeddings: 320, tiefsuche_init: scaled}',
  deepseek_v3: `{type: deepseek_v3, hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 2, q_lora_rank: 24, kv_lora_rank: 24, qk_nope_head_dim: 16, qk_rope_head_dim: 8,
  v_head_dim: 16, intermediate_size: 96, moe_intermediate_size: 32, n_routed_experts: 4, num_experts_per_tok: 2, n_shared_experts: 1, n_group: 1, topk_group: 1, first_k_dense_replace: 1, max_position_embeddings: 320, tiefsuche_init: scaled}`,
};
export const architectures: readonly string[] = Object.keys(models);

/** Demonstrations until some answers are right, then reinforcement that has a signal; `options` are more of its settings. */
export const smallRecipe = (architecture: string, { sft = 60, grpo = 5, every = 7, options = '' } = {}): string => `name: small
why: a test
seed: 3
model: ${models[architecture]}
tokenizer: {tasks: [calendar]}
stages:
  - {method: sft, data: ${problems}, steps: ${sft}, batch: 16, micro_tokens: 512, heldout_every: 10, heldout_size: 16, optimizer: {lr: 5e-3, muon: {lr: 0.03, scale: jordan}}, schedule: {warmup: 5}}
  - {method: grpo, data: ${problems}, steps: ${grpo}, prompts: 6, samples: 6, max_new_tokens: 64, temperature: 0.9, top_p: 0.95, micro_tokens: 1024, minibatches: 2, ${options}optimizer: {lr: 2e-3}}
evaluation: {problems: ${problems}, n: 12, every: 2, n_between: 6, max_new_tokens: 64}
checkpoints: {every: ${every}}
`;

/** Runs `tiefsuche ARGS`; `kill` ends it that many milliseconds after it said its first word. */
export async function tiefsuche(args: readonly string[], home: string, { env = {}, kill }: { env?: NodeJS.ProcessEnv; kill?: number } = {}): Promise<{ status: number | null; signal: string | null; out: string; err: string; ms: number }> {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TIEFSUCHE_HOME: home, NO_COLOR: '1', ...env } });
  let out = '', err = '', begun = 0;
  child.stdout.on('data', (d) => { out += String(d); });
  child.stderr.on('data', (d) => {
    err += String(d);
    if (begun > 0) return;
    begun = Date.now();
    if (kill !== undefined) setTimeout(() => child.kill('SIGKILL'), kill);
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { status, signal, out, err, ms: Date.now() - begun };
}

/** Puts a recipe beside a home and gives the arguments that begin it or go on with it. */
export function trainArguments(home: string, recipe: string, run = 'small'): string[] {
  mkdirSync(home, { recursive: true });
  const path = join(home, `${run}.yaml`);
  writeFileSync(path, recipe);
  return ['train', path, '--run', run, '--resume', '--json'];
}

/** Everything about a finished run that may not depend on how often it was interrupted. */
export async function essence(home: string, name = 'small'): Promise<object> {
  const run = openRun(name, home), checkpoints = listCheckpoints(run.checkpoints);
  return {
    final: await hashFolder(run.final), checkpoints: checkpoints.map(({ step, sha256, score, files }) => ({ step, sha256, score, files })),
    log: readCheckpointLog(run), metrics: readMetrics(run.metrics).map(withoutTime), samples: await hashFolder(run.samples),
    accuracy: (({ before, after, after_without_thinking, families }) => ({ before, after, after_without_thinking, families }))(JSON.parse(readFileSync(run.summary, 'utf8'))),
  };
}

/** A moment at which to kill: a named one (see fault-point.ts), or a share of the undisturbed run's duration. */
export type Moment = string | number;

/** Kills a run at one moment after the other, resuming in between; then lets it end. Returns how many kills struck. */
export async function interrupted(home: string, recipe: string, moments: readonly Moment[], undisturbedMs: number): Promise<number> {
  const args = trainArguments(home, recipe);
  let struck = 0;
  for (const moment of moments) {
    const { status, signal, err } = await tiefsuche(args, home, typeof moment === 'string' ? { env: { TIEFSUCHE_TEST_FAULT: moment } } : { kill: moment * undisturbedMs });
    if (signal !== 'SIGKILL') {
      assert.equal(status, 0, `at ${moment}: ${err}`);
      break; // it came to its end before that moment
    }
    struck++;
  }
  const { status, err } = await tiefsuche(args, home);
  assert.equal(status, 0, err);
  checkRecords(home);
  return struck;
}

/** Each step stands once in the metrics; the ledger is whole and holds at least the work that is in them. */
function checkRecords(home: string): void {
  const run = openRun('small', home), rows = readMetrics(run.metrics);
  assert.deepEqual(rows.map((r) => r.step), Array.from(rows.keys(), (i) => i + 1));
  assert.deepEqual(verifyLedger(home).problems, []);
  const attempts = listAttempts(home).map((a) => readAttempt(a.path)!);
  const inLedger = attempts.flatMap((a) => a.ticks).reduce((n, t) => n + t.tokens.trained, 0);
  assert.ok(inLedger >= rows.reduce((n, r) => n + Number(r['tokens_trained']), 0), 'work is missing from the ledger');
}
