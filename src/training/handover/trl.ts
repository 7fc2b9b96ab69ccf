// Supervised fine-tuning by TRL: its YAML, accelerate's FSDP configuration for GPUs (torchrun and gloo where there are none),
// a Slurm job. The rows, the rates and the number of steps are those of the run's last supervised stage.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { TiefsucheError } from '../../errors.ts';
import type { Handover, Side } from './handover.ts';
import { type HandedRow, handedRows } from './handed-rows.ts';
import { slurmHead, withCost } from './slurm.ts';
import type { sftSchema } from '../sft.ts';
import type { z } from 'zod';

/** Tried together, on processors. */
export const versions = ['torch==2.15.0', 'transformers==5.23.0', 'accelerate==1.15.0', 'datasets==5.2.0', 'peft==0.21.2', 'trl==1.16.0'];

export const trl: Side = {
  name: 'trl',
  async write(handover, place) {
    const { recipe, recipeFolder, run, nodes, gpus, processes } = handover, index = recipe.stages.findLastIndex((s) => s.method === 'sft');
    if (index < 0) throw new TiefsucheError('UNSUPPORTED', `the run "${run.name}" has no supervised stage, and only those are handed to TRL`, { hint: 'Its model goes to vLLM with --to vllm, and anywhere with `tiefsuche export`.' });
    const stage = recipe.stages[index] as unknown as z.output<typeof sftSchema>, rows = await handedRows(stage, recipe.seed + index, recipeFolder);
    mkdirSync(join(place, 'data'));
    for (const split of ['train', 'test'] as const) if (rows[split].length > 0) writeFileSync(join(place, 'data', `${split}.jsonl`), rows[split].map((row) => `${JSON.stringify(row)}\n`).join(''));
    writeFileSync(join(place, 'sft.yaml'), stringify(sftYaml(handover, stage, rows)).replace(/: (\d+)e-/g, ': $1.0e-')); // PyYAML reads 1e-8 as a text
    writeFileSync(join(place, 'requirements.txt'), `${versions.join('\n')}\n`);
    if (gpus > 0) writeFileSync(join(place, 'accelerate.yaml'), stringify(accelerateYaml(nodes, gpus)));
    const { name } = run, script = '-m trl.scripts.sft --config sft.yaml';
    const there = gpus > 0 ? `srun bash -c "accelerate launch --config_file accelerate.yaml --machine_rank \\$SLURM_NODEID --main_process_ip $head --main_process_port 29500 ${script}"`
      : `srun python3 -m torch.distributed.run --nnodes ${nodes} --nproc-per-node ${processes} --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$head:29500" ${script}`;
    const head = 'head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)';
    writeFileSync(join(place, 'job.sbatch'), `${[...slurmHead({ name, nodes, gpus }), 'cd "$SLURM_SUBMIT_DIR"', head, ...withCost({ nodes, gpus }, [there])].join('\n')}\n`);
    const here = gpus > 0 ? `accelerate launch --config_file accelerate.yaml --num_machines 1 --num_processes ${gpus} ${script}` : `python3 -m torch.distributed.run --standalone --nproc-per-node ${processes} ${script}`;
    writeFileSync(join(place, 'start.sh'), `${['#!/usr/bin/env bash', '# On this machine alone, without Slurm.', 'set -euo pipefail', 'cd "$(dirname "$0")"', ...withCost({ nodes: 1, gpus }, [here])].join('\n')}\n`, { mode: 0o755 });
    return [
      'Supervised fine-tuning with [TRL](https://github.com/huggingface/trl), from where the run ended.', '',
      '    pip install -r requirements.txt', '    sbatch job.sbatch          # or ./start.sh on one machine', '',
      'The result comes to lie in `result/`, with `cost.json`. Bring this folder back and run `tiefsuche import FOLDER`.', '',
      `\`sft.yaml\` is the stage of our recipe in TRL's words: ${rows.train.length} rows, a step of ${stage.batch} on all processes together. Different there: the order of the rows, and the learning rate falls to zero where ours falls to a part of itself.`,
    ];
  },
};

function sftYaml({ nodes, gpus, processes, steps, recipe }: Handover, stage: z.output<typeof sftSchema>, rows: { train: readonly HandedRow[]; test: readonly HandedRow[] }): Record<string, unknown> {
  const { optimizer, schedule } = stage, workers = nodes * (gpus > 0 ? gpus : processes), perDevice = Math.max(1, Math.round(stage.batch / workers)), { lora } = recipe;
  const maxTokens = 'file' in stage.data ? stage.data.max_tokens : undefined;
  return {
    model_name_or_path: 'model', dtype: gpus > 0 ? 'bfloat16' : 'float32', ...(gpus > 0 ? { bf16: true } : { bf16: false, use_cpu: true, ddp_backend: 'gloo' }),
    dataset_name: 'data', dataset_train_split: 'train', ...(rows.test.length > 0 && { dataset_test_split: 'test', eval_strategy: 'steps', eval_steps: steps ?? stage.steps }),
    output_dir: 'result', max_steps: steps ?? stage.steps, per_device_train_batch_size: perDevice, gradient_accumulation_steps: 1,
    ...(maxTokens !== undefined && { max_length: maxTokens }), ...('text' in rows.train[0]! ? {} : { completion_only_loss: true }), packing: false,
    learning_rate: optimizer.lr, lr_scheduler_type: schedule.decay, warmup_steps: schedule.warmup,
    weight_decay: optimizer.weight_decay, adam_beta1: optimizer.beta1, adam_beta2: optimizer.beta2, adam_epsilon: optimizer.eps, max_grad_norm: optimizer.clip,
    ...(lora && { use_peft: true, lora_r: lora.rank, lora_alpha: lora.alpha, lora_dropout: 0, lora_target_modules: lora.targets ?? 'all-linear' }),
    logging_steps: 1, save_strategy: 'steps', save_steps: steps ?? stage.steps, save_total_limit: 1, report_to: 'none', seed: recipe.seed, gradient_checkpointing: gpus > 0,
  };
}

/** Fully sharded data parallelism (FSDP 2). */
const accelerateYaml = (nodes: number, gpus: number): Record<string, unknown> => ({
  compute_environment: 'LOCAL_MACHINE', distributed_type: 'FSDP', mixed_precision: 'bf16', num_machines: nodes, num_processes: nodes * gpus, machine_rank: 0, main_training_function: 'main', rdzv_backend: 'static', same_network: true, use_cpu: false,
  fsdp_config: { fsdp_version: 2, fsdp_reshard_after_forward: true, fsdp_auto_wrap_policy: 'TRANSFORMER_BASED_WRAP', fsdp_state_dict_type: 'FULL_STATE_DICT', fsdp_cpu_ram_efficient_loading: true, fsdp_offload_params: false, fsdp_activation_checkpointing: false },
});
