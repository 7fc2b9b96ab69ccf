// Shared by tests: an attempt with made-up but valid facts, in a home folder of its own. As a program it appends ticks
// without end until it is killed: `node --import tsx sample-run.ts HOME RUN ATTEMPT`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { RunTick } from '../events.ts';
import { beginAttempt, type AttemptLedger, type StartFacts } from '../workspace.ts';

const folders: string[] = [];

/** A folder that is removed when the test process ends. */
export function temporaryHome(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tiefsuche-test-'));
  if (folders.push(folder) === 1) process.on('exit', () => folders.forEach((f) => rmSync(f, { recursive: true, force: true })));
  return folder;
}

export function sampleFacts(run: string, attempt = 1, more: Partial<StartFacts> = {}): StartFacts {
  return {
    run, name: run.split('-')[0]!, attempt, why: 'to see whether the ledger holds', resumed_from: null, parents: [],
    recipe: { name: run, steps: 10 }, seeds: { train: 1 },
    code: { version: '0.1.0', commit: null, changed: null, lockfile_sha256: null }, hardware: { cpu: 'made up' },
    prices: { electricity_eur_per_kwh: { value: 0.5, source: 'test' }, hardware: { eur: 1000, lifetime_hours: 10_000, source: 'test' } },
    grid_g_per_kwh: { value: 400, source: 'test', year: 2024 },
    meters: { used: [{ name: 'cpu-time', grade: 'estimated', covers: 'nothing', formula: 'made up' }], refused: [] },
    ...more,
  };
}

/** One tick of an hour, a kilowatt-hour and round FLOP. */
export function sampleTick(step: number, more: Partial<RunTick> = {}): RunTick {
  return {
    step, phase: 'train', tokens: { trained: 1000, sampled: 10 }, loss: 2.5 / (step + 1),
    flop: { model: 1e9, recompute: 1e8, sampling: 1e7 }, seconds: 3600, cpu_seconds: 7000,
    joules: [{ method: 'cpu-time', grade: 'estimated', value: 3.6e6 }], ...more,
  };
}

export function sampleAttempt(home: string, run: string, steps: number, attempt = 1, more: Partial<StartFacts> = {}): AttemptLedger {
  const ledger = beginAttempt(sampleFacts(run, attempt, more), home);
  for (let step = 1; step <= steps; step++) ledger.tick(sampleTick(step));
  return ledger;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [home, run, attempt] = process.argv.slice(2);
  const ledger = beginAttempt(sampleFacts(run!, Number(attempt)), home!);
  process.stdout.write('writing\n');
  for (let step = 1; ; step++) {
    ledger.tick(sampleTick(step));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 0.3);
  }
}
