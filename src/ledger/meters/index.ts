// The meters of this machine, best first. The first that works is used; those that do not are kept with their reason,
// so that the ledger and `tiefsuche doctor` can say why a number is an estimate. A new meter is a file and a line here.
import type { EnergyReading, RunStart } from '../events.ts';
import { cpuTimeMeter } from './cpu-time.ts';
import type { WattsPerThread } from './cpu-watts.ts';
import type { Meter, MeterProbe } from './meter.ts';
import { probeRapl } from './rapl.ts';

export interface EnergyMeterOptions {
  /** Another powercap folder than the system's. */
  powercap?: string | undefined;
  /** Watts per busy logical processor for the estimate. */
  watts?: WattsPerThread | undefined;
}

export interface EnergyMeter {
  /** For run.start: what is in use, and what is not with the reason. */
  readonly description: RunStart['meters'];
  /** Joules since the last reading, one entry per meter in use (each covers other hardware, so they may be added). */
  read(): EnergyReading[];
  close(): void;
}

/** Opens the best meters this machine has. Never fails: the estimate always works. */
export function openEnergyMeter(options: EnergyMeterOptions = {}): EnergyMeter {
  const cpu: (() => MeterProbe)[] = [
    () => probeRapl(options.powercap),
    () => ({ meter: cpuTimeMeter(options.watts) }),
  ];
  const used: Meter[] = [];
  const refused: { name: string; reason: string }[] = [];
  for (const probe of cpu) {
    const found = probe();
    if ('reason' in found) {
      refused.push({ name: found.name, reason: found.reason });
      continue;
    }
    used.push(found.meter);
    break;
  }
  return {
    description: { used: used.map(({ name, grade, covers, formula }) => ({ name, grade, covers, formula })), refused },
    read: () => used.map(readingOf),
    close: () => used.forEach((meter) => meter.close()),
  };
}

function readingOf(meter: Meter): EnergyReading {
  const { joules, parts, note } = meter.read();
  return { method: meter.name, grade: meter.grade, value: joules, ...(parts && { parts }), ...(note !== undefined && { note }) };
}
