// The estimate for machines that show no energy counter: E = processor time × watts per busy logical processor.
// Processor time is what the kernel counted for all threads of this process. Idle power, memory, disks, fans and the
// power supply are not in it, so it is a lower bound by kind and a guess by size; it is always labelled `estimated`.
import { cpus } from 'node:os';
import { joules } from '../../units.ts';
import { wattsPerThread, type WattsPerThread } from './cpu-watts.ts';
import type { Meter, MeterReading } from './meter.ts';

/** @param watts overrides the table, for those who measured their machine at the wall */
export function cpuTimeMeter(watts: WattsPerThread = wattsPerThread(cpus()[0]?.model ?? ''), cpuSeconds: () => number = processCpuSeconds): Meter {
  let last = cpuSeconds();
  return {
    name: 'cpu-time',
    grade: 'estimated',
    covers: 'processor time of this process; not idle power, memory, disks, power supply',
    formula: `processor seconds × ${watts.watts} W (${watts.source})`,
    read(): MeterReading {
      const now = cpuSeconds();
      const spent = now - last;
      last = now;
      return { joules: joules(spent * watts.watts) };
    },
    close() {},
  };
}

/** Processor time of all threads of this process since it began, in seconds. */
export function processCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
