// A stage of a run in TRL's words: its YAML and rows (trl-sft.ts, trl-grpo.ts), accelerate's FSDP configuration for GPUs
// (torchrun and gloo where there are none), a Slurm job. The stage is the run's last one, or the last of the method asked for.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { TiefsucheError } from '../../errors.ts';
import type { optimizerSchema, scheduleSchema } from '../settings.ts';
import type { Handover, Side } from './handover.ts';
import { slurmHead, withCost } from './slurm.ts';
import { writeGrpo } from './trl-grpo.ts';
import { writeSft } from './trl-sft.ts';

/** What is particular to a method: its YAML, what the README says of it; it writes its rows, and whatever else it needs, into the place. */
export interface StageForTrl { readonly yaml: Readonly<Record<string, unknown>>; readonly readme: readonly string[] }
type Writer = (handover: Handover, stage: Readonly<Record<string, unknown>>, seed: number, place: string) => Promise<StageForTrl>;

/** By the method's name, which is that of TRL's script, too. */
const writers: Readonly<Record<string, Writer>> = { sft: writeSft, grpo: writeGrpo };

/** Tried together, on processors. */
export const versions = ['torch==2.15.0', 'transformers==5.23.0', 'accelerate==1.15.0', 'datasets==5.2.0', 'peft==0.21.2', 'trl==1.16.0'];

export const trl: Side = {
  name: 'trl',
  async write(handover, place) {
    const { recipe, run, nodes, gpus, processes, method } = handover, index = recipe.stages.findLastIndex((s) => (method === undefined ? Object.hasOwn(writers, s.method) : s.method === method));
    if (index < 0 || !Object.hasOwn(writers, recipe.stages[index]!.method)) {
      throw new TiefsucheError('UNSUPPORTED', `the run "${run.name}" has no stage of ${method ?? Object.keys(writers).join(' or ')}, and only such are handed to TRL`, { hint: 'Its model goes to vLLM with --to vllm, and anywhere with `tiefsuche export`.' });
    }
    const stage = recipe.stages[index]!, name = stage.method;
    mkdirSync(join(place, 'data'));
    const { yaml, readme } = await writers[name]!(handover, stage, recipe.seed + index, place);
    writeFileSync(join(place, `${name}.yaml`), stringify({ ...commonYaml(handover, stage), ...yaml }).replace(/: (\d+)e-/g, ': $1.0e-')); // PyYAML reads 1e-8 as a text
    writeFileSync(join(place, 'requirements.txt'), `${versions.join('\n')}\n`);
    if (gpus > 0) writeFileSync(join(place, 'accelerate.yaml'), stringify(accelerateYaml(nodes, gpus)));
    const script = `-m trl.scripts.${name} --config ${name}.yaml`;
    const there = gpus > 0 ? `srun bash -c "accelerate launch --config_file accelerate.yaml --machine_rank \\$SLURM_NODEID --main_process_ip $head --main_process_port 29500 ${script}"`
      : `srun python3 -m torch.distributed.run --nnodes ${nodes} --nproc-per-node ${processes} --rdzv-backend c10d --rdzv-id "$SLURM_JOB_ID" --rdzv-endpoint "$head:29500" ${script}`;
    const head = 'head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)';
    writeFileSync(join(place, 'job.sbatch'), `${[...slurmHead({ name: run.name, nodes, gpus }), 'cd "$SLURM_SUBMIT_DIR"', head, ...withCost({ nodes, gpus }, [there])].join('\n')}\n`);
    const here = gpus > 0 ? `accelerate launch --config_file accelerate.yaml --num_machines 1 --num_processes ${gpus} ${script}` : `python3 -m torch.distributed.run --standalone --nproc-per-node ${processes} ${script}`;
    writeFileSync(join(place, 'start.sh'), `${['#!/usr/bin/env bash', '# On this machine alone, without Slurm.', 'set -euo pipefail', 'cd "$(dirname "$0")"', ...withCost({ nodes: 1, gpus }, [here])].join('\n')}\n`, { mode: 0o755 });
    return {
      method: name,
      readme: [
        `The stage \`${name}\` with [TRL](https://github.com/huggingface/trl), from where the run ended.`, '',
        '    pip install -r requirements.txt', '    sbatch job.sbatch          # or ./start.sh on one machine', '',
        'The result comes to lie in `result/`, with `cost.json`. Bring this folder back and run `tiefsuche import FOLDER`.', '',
        ...readme,
      ],
    };
  },
};

/** What every method's YAML says. */
function commonYaml({ gpus, steps, recipe }: Handover, stage: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { optimizer, schedule, steps: ours } = stage as { steps: number; optimizer: z.output<typeof optimizerSchema>; schedule: z.output<typeof scheduleSchema> }, { lora } = recipe;
  return {
    model_name_or_path: 'model', dtype: gpus > 0 ? 'bfloat16' : 'float32', ...(gpus > 0 ? { bf16: true } : { bf16: false, use_cpu: true, ddp_backend: 'gloo' }),
    dataset_name: 'data', dataset_train_split: 'train', output_dir: 'result', max_steps: steps ?? ours,
    learning_rate: optimizer.lr, lr_scheduler_type: schedule.decay, warmup_steps: schedule.warmup,
    weight_decay: optimizer.weight_decay, adam_beta1: optimizer.beta1, adam_beta2: optimizer.beta2, adam_epsilon: optimizer.eps, max_grad_norm: optimizer.clip,
    ...(lora && { use_peft: true, lora_r: lora.rank, lora_alpha: lora.alpha, lora_dropout: 0, lora_target_modules: lora.targets ?? 'all-linear' }),
    logging_steps: 1, save_strategy: 'steps', save_steps: steps ?? ours, save_total_limit: 1, report_to: 'none', seed: recipe.seed, gradient_checkpointing: gpus > 0,
  };
}

/** Fully sharded data parallelism (FSDP 2). */
const accelerateYaml = (nodes: number, gpus: number): Record<string, unknown> => ({
  compute_environment: 'LOCAL_MACHINE', distributed_type: 'FSDP', mixed_precision: 'bf16', num_machines: nodes, num_processes: nodes * gpus, machine_rank: 0, main_training_function: 'main', rdzv_backend: 'static', same_network: true, use_cpu: false,
  fsdp_config: { fsdp_version: 2, fsdp_reshard_after_forward: true, fsdp_auto_wrap_policy: 'TRANSFORMER_BASED_WRAP', fsdp_state_dict_type: 'FULL_STATE_DICT', fsdp_cpu_ram_efficient_loading: true, fsdp_offload_params: false, fsdp_activation_checkpointing: false },
});
