// Shared by tests: one recipe trained with 1 and 2 threads beside a busy process, and on each instruction set the machine
// has, must give the same bytes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { essence, tiefsuche, trainArguments } from './interrupted-run.ts';

/** Instruction sets on which exact mode must agree. */
export function exactInstructionSets(): string[] {
  const { isas } = (createRequire(import.meta.url)('../build/tiefsuche.node') as { info(): { isas: string[] } }).info();
  return isas.filter((isa) => isa === 'avx2' || isa === 'avx512');
}

export async function assertSameWeights(recipe: string): Promise<void> {
  const home = temporaryHome(), isas = exactInstructionSets();
  // The first, the best, is what the first two variants train on.
  const variants: NodeJS.ProcessEnv[] = [{ TIEFSUCHE_THREADS: '1' }, { TIEFSUCHE_THREADS: '2' }, ...isas.slice(1).map((isa) => ({ TIEFSUCHE_THREADS: '2', TIEFSUCHE_ISA: isa }))];
  const load = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }), results: { metrics?: { reward?: number; dead_groups?: number }[] }[] = [];
  try {
    for (const [i, env] of variants.entries()) {
      const at = join(home, String(i)), { status, err } = await tiefsuche(trainArguments(at, recipe), at, { env });
      assert.equal(status, 0, err);
      results.push(await essence(at));
    }
  } finally {
    load.kill();
  }
  results.slice(1).forEach((result, i) => assert.deepEqual(result, results[0], JSON.stringify(variants[i + 1])));
  const sampled = results[0]!.metrics!.filter((m) => m.reward !== undefined);
  assert.ok(sampled.filter((m) => m.dead_groups! < 1).length >= sampled.length / 2, 'most steps of reinforcement should have a signal');
}
