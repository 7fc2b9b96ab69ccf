// The head of a Slurm job, and how a job notes what it took: cost.json, with the energy that Slurm's accounting has, if any.

export interface Job { readonly name: string; readonly nodes: number; readonly gpus: number }

export const slurmHead = ({ name, nodes, gpus }: Job): readonly string[] => [
  '#!/usr/bin/env bash',
  `#SBATCH --job-name=${name}`,
  `#SBATCH --nodes=${nodes}`,
  '#SBATCH --ntasks-per-node=1',
  ...(gpus > 0 ? [`#SBATCH --gpus-per-node=${gpus}`] : []),
  '#SBATCH --exclusive',
  '#SBATCH --output=slurm-%j.log',
  'set -euo pipefail',
];

/** Shell lines around `work`: afterwards result/cost.json says when it began and ended, on what, and how many joules Slurm counted. */
export const withCost = ({ nodes, gpus }: Pick<Job, 'nodes' | 'gpus'>, work: readonly string[]): readonly string[] => [
  'mkdir -p result',
  'started=$(date +%s)',
  ...work,
  'ended=$(date +%s)',
  'joules=$( (command -v sacct > /dev/null && [ -n "${SLURM_JOB_ID:-}" ] && sacct -n -X -P -j "$SLURM_JOB_ID" -o ConsumedEnergyRaw || true) | grep -E "^[1-9][0-9]*$" | head -n 1 || true)',
  `printf '{"started": %s, "ended": %s, "nodes": ${nodes}, "gpus_per_node": ${gpus}, "joules": %s}\\n' "$started" "$ended" "\${joules:-null}" > result/cost.json`,
];
