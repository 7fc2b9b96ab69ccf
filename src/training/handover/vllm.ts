// Serving by vLLM: the command, for one node or several (tensor parallel inside a node, pipeline parallel across them).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { architectureOf } from '../../models/index.ts';
import { openModelFiles } from '../../models/load.ts';
import type { Side } from './handover.ts';
import { slurmHead } from './slurm.ts';

export const vllm: Side = {
  name: 'vllm',
  async write({ run, nodes, gpus }, place) {
    if (gpus === 0) throw new TiefsucheError('USAGE', 'vLLM needs GPUs', { hint: 'Give their number on a node with --gpus; without GPUs, `tiefsuche serve` does it.' });
    const files = openModelFiles(join(place, 'model'));
    let maxPositions: number;
    try { ({ maxPositions } = architectureOf(files.config['model_type']).dimensions(files.config)); } finally { files.close(); }
    const serve = `vllm serve model --served-model-name ${run.name} --max-model-len ${maxPositions} --tensor-parallel-size ${gpus} --pipeline-parallel-size ${nodes} --host 127.0.0.1 --port 8000`;
    const head = 'head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)';
    const work = nodes === 1 ? [serve] : [
      head,
      'srun --overlap --nodes=1 --ntasks=1 -w "$head" ray start --head --port=6379 --block &',
      'sleep 20',
      `srun --overlap --nodes=${nodes - 1} --ntasks=${nodes - 1} --exclude="$head" ray start --address="$head:6379" --block &`,
      'sleep 20',
      `srun --overlap --nodes=1 --ntasks=1 -w "$head" ${serve} --distributed-executor-backend ray`,
    ];
    writeFileSync(join(place, 'job.sbatch'), `${[...slurmHead({ name: run.name, nodes, gpus }), 'cd "$SLURM_SUBMIT_DIR"', ...work].join('\n')}\n`);
    writeFileSync(join(place, 'start.sh'), `#!/usr/bin/env bash\n# On one machine with ${gpus} GPUs.\nset -euo pipefail\ncd "$(dirname "$0")"\nexec ${serve.replace(`--pipeline-parallel-size ${nodes}`, '--pipeline-parallel-size 1')}\n`, { mode: 0o755 });
    return { readme: ['Serving with [vLLM](https://github.com/vllm-project/vllm), OpenAI\'s API on port 8000 of the first node, reachable from there only: put your own proxy with TLS and keys before it.', '', '    pip install vllm', '    sbatch job.sbatch          # or ./start.sh on one machine'] };
  },
};
