// The log-probability a token was sampled with is the trainer's, bit for bit. Rollouts go to disk; other processes read
// them and score them by the forward pass of training: rows shuffled, packed otherwise, 1, 3 or 17 at a time, on one thread
// or two. (The same recipe gives the same weights everywhere: test/same-weights.test.ts, test/long/.)

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CpuBackend } from '../src/engine/backends/cpu/cpu.ts';
import { Arena } from '../src/engine/program.ts';
import { RandomStream } from '../src/engine/random.ts';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import type { ConfigJson } from '../src/models/config.ts';
import { Rollout } from '../src/reasoning/rollout.ts';
import { type Rollouts, bitsOf, compareRows, rolloutModel } from './exactness-rows.ts';

const scorer = fileURLToPath(new URL('./exactness-rows.ts', import.meta.url));
const shape = { hidden_size: 64, num_hidden_layers: 3, num_attention_heads: 4, intermediate_size: 160, vocab_size: 301, max_position_embeddings: 512, tie_word_embeddings: false };
const configs: Readonly<Record<string, ConfigJson>> = {
  llama: { model_type: 'llama', ...shape, num_key_value_heads: 2, head_dim: 16 },
  deepseek_v3: {
    model_type: 'deepseek_v3', ...shape, num_key_value_heads: 4, q_lora_rank: 48, kv_lora_rank: 32, qk_nope_head_dim: 16, qk_rope_head_dim: 8, v_head_dim: 16, moe_intermediate_size: 48,
    n_routed_experts: 8, num_experts_per_tok: 2, n_shared_experts: 1, n_group: 2, topk_group: 1, first_k_dense_replace: 1, norm_topk_prob: true, routed_scaling_factor: 1.5,
  },
};
const settings = { temperature: 0.8, topK: 0, topP: 0.9, minP: 0, seed: 11 };

/** Samples from a random model over memory that holds another phase's leftovers, and writes everything to a file. */
async function rollOut(path: string, config: ConfigJson, lora: boolean): Promise<Rollouts> {
  const backend = new CpuBackend(), model = rolloutModel(backend, { config, lora, seed: 5 });
  const arena = new Arena(backend, 64 << 20);
  backend.upload(arena.current(), 0, new Int32Array(arena.bytes / 4).fill(-1)); // as floats: not numbers
  const rollout = new Rollout(model, arena, { maxRows: 24, maxTokens: 260, supportCap: 301 }), random = new RandomStream(17, 0);
  const prompts = Array.from({ length: 44 }, () => Int32Array.from({ length: 1 + Math.floor(random.uniform() * 130) }, () => Math.floor(random.uniform() * 301)));
  await rollout.refresh();
  const completions = await rollout.generate(prompts.map((prompt, i) => ({ prompt, maxNew: 120, streams: [3 * i, 3 * i + 1, 3 * i + 2] })), { stops: [7], settings });
  const rows = completions.flatMap((group, i) => group.map((c) => ({ prompt: [...prompts[i]!], tokens: [...c.tokens], bits: bitsOf(c.logp), support: c.support?.map((s) => [...s]) ?? null })));
  const rollouts: Rollouts = { config, lora, seed: 5, temperature: settings.temperature, rows };
  writeFileSync(path, JSON.stringify(rollouts));
  rollout.close();
  arena.close();
  model.close();
  return rollouts;
}

function score(path: string, batch: number, threads: number): { tokens: number; different: number } {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', scorer, path, String(batch), String(threads), String(batch + threads)], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as { tokens: number; different: number };
}

for (const [name, config] of Object.entries(configs)) for (const lora of [false, true]) {
  test(`${name}${lora ? ' with adapters' : ''}: sampled log-probabilities are the trainer's`, async () => {
    const path = join(temporaryHome(), 'rollouts.json'), rollouts = await rollOut(path, config, lora);
    const cut = rollouts.rows.filter((r) => r.support?.some((s) => s.length > 0)).length;
    assert.ok(cut > rollouts.rows.length / 2, 'top-p should have cut some tokens off');
    for (const [batch, threads] of [[1, 1], [3, 2], [17, 1], [17, 2]] as const) {
      const { tokens, different } = score(path, batch, threads);
      assert.equal(different, 0, `batches of ${batch} on ${threads} threads: ${different} of ${tokens} differ`);
      assert.ok(tokens >= 10_000, `only ${tokens} tokens compared`);
    }
    // The same comparison sees the last bit of one value among thousands, and other weights.
    const backend = new CpuBackend(), few = { ...rollouts, rows: rollouts.rows.slice(0, 17) };
    const broken = { ...few, rows: few.rows.map((r, i) => (i === 3 ? { ...r, bits: r.bits.map((b, j) => (j === 0 ? b ^ 1 : b)) } : r)) };
    assert.equal((await compareRows(rolloutModel(backend, few), broken, 17, 1)).different, 1);
    const other = await compareRows(rolloutModel(backend, { ...few, seed: 6 }), few, 17, 1);
    assert.ok(other.different > other.tokens / 2, 'other weights go unnoticed');
  });
}
