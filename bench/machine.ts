// Medians, memory, and the load of others while something was measured.

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** A field of /proc/self/status in MiB (VmRSS now, VmHWM at its highest); NaN elsewhere than on Linux. */
export function statusMiB(field: 'VmRSS' | 'VmHWM'): number {
  try {
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024;
  } catch { return NaN; }
}

/** Processor seconds of the whole machine. */
export function busySeconds(): number {
  try {
    const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).map(Number) as number[];
    return (user! + nice! + system! + irq! + softirq! + steal!) / 100;
  } catch { return NaN; }
}

export interface Timing { readonly seconds: number; readonly cpuSeconds: number; /** Share of all cores that other processes used; null where it cannot be said. */ readonly otherLoad: number | null }

/** Wall and processor time of a piece of work, and what others took meanwhile. */
export async function timed(work: () => Promise<void>): Promise<Timing> {
  const busy = busySeconds(), cpu = process.cpuUsage(), start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000, used = process.cpuUsage(cpu), cpuSeconds = (used.user + used.system) / 1e6;
  const others = Math.max(0, busySeconds() - busy - cpuSeconds) / (seconds * cpus().length);
  return { seconds, cpuSeconds, otherLoad: seconds > 0.2 && Number.isFinite(others) ? Math.min(1, others) : null };
}
