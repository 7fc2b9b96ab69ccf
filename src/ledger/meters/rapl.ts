// RAPL: the energy counters inside Intel and AMD processors, as Linux shows them in /sys/class/powercap.
// energy_uj counts microjoules and wraps at max_energy_range_uj (after minutes at full load: it is sampled every 20 s).
// Domains nest: psys ⊃ package ⊃ core, uncore; dram stands beside. Counted: packages + dram; psys only where no package
// is shown. The counters see the whole machine, other programs included. Readable by root only since CVE-2020-8694.
// Source: kernel documentation, power/powercap.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { joules } from '../../units.ts';
import type { Meter, MeterProbe, MeterReading } from './meter.ts';

interface Domain { label: string; path: string; range: number; last: number; microjoules: number }

const sampleMilliseconds = 20_000;

/** @param root the powercap folder; TIEFSUCHE_POWERCAP names another one, such as a mount inside a container */
export function probeRapl(root: string = process.env.TIEFSUCHE_POWERCAP ?? '/sys/class/powercap'): MeterProbe {
  const name = 'rapl';
  let zones: string[];
  try {
    zones = readdirSync(root).filter((zone) => /^intel-rapl(-mmio)?:\d+(:\d+)?$/.test(zone)).sort();
  } catch {
    return { name, reason: process.platform === 'linux' ? `${root} does not exist (usual in virtual machines and containers)` : 'only Linux shows these counters' };
  }
  const named = zones.flatMap((zone) => {
    const label = tryRead(join(root, zone, 'name'));
    return label.text === undefined ? [] : [{ zone, label: label.text }];
  });
  const chosen = chooseDomains(named);
  if (chosen.length === 0) return { name, reason: `${root} shows no package, memory or platform counter` };
  const domains: Domain[] = [];
  for (const { zone, label } of chosen) {
    const path = join(root, zone, 'energy_uj');
    const value = tryRead(path);
    if (value.text === undefined) return { name, reason: unreadable(path, value.code) };
    const range = Number(tryRead(join(root, zone, 'max_energy_range_uj')).text);
    if (!(Number(value.text) >= 0) || !(range > 0)) return { name, reason: `${path} or its range is not a number` };
    domains.push({ label, path, range, last: Number(value.text), microjoules: 0 });
  }
  return { meter: new RaplMeter(domains) };
}

/** The domains to add up: none of them lies within another, and each is counted once though msr and mmio both show it. */
function chooseDomains(zones: readonly { zone: string; label: string }[]): { zone: string; label: string }[] {
  const unique = zones.filter(({ zone, label }) => !zone.startsWith('intel-rapl-mmio') ||
    !zones.some((other) => !other.zone.startsWith('intel-rapl-mmio') && other.label === label));
  const packages = unique.filter(({ label }) => label.startsWith('package'));
  const top = packages.length > 0 ? packages : unique.filter(({ label }) => label === 'psys');
  // Platform counters (psys) hold memory already.
  const memory = packages.length > 0 ? unique.filter(({ label }) => label === 'dram') : [];
  return [...top, ...memory.map(({ zone, label }, i) => ({ zone, label: memory.length > 1 ? `${label}-${i}` : label }))];
}

class RaplMeter implements Meter {
  readonly name = 'rapl';
  readonly grade = 'measured';
  readonly formula = 'sum of the growth of energy_uj over the domains, wrap-around added back';
  readonly covers: string;
  readonly #domains: Domain[];
  readonly #timer: NodeJS.Timeout;
  #failure: string | undefined;

  constructor(domains: Domain[]) {
    this.#domains = domains;
    this.covers = `${domains.map((d) => d.label).join(' + ')} of the whole machine; not mainboard, disks, power supply`;
    this.#timer = setInterval(() => this.#sample(), sampleMilliseconds).unref();
  }

  read(): MeterReading {
    this.#sample();
    const parts = Object.fromEntries(this.#domains.map((d) => [d.label, d.microjoules / 1e6]));
    const total = this.#domains.reduce((sum, d) => sum + d.microjoules, 0) / 1e6;
    for (const domain of this.#domains) domain.microjoules = 0;
    const failure = this.#failure;
    this.#failure = undefined;
    return failure === undefined ? { joules: joules(total), parts } : { joules: null, note: failure };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    for (const domain of this.#domains) {
      const { text, code } = tryRead(domain.path);
      const now = Number(text);
      if (text === undefined || Number.isNaN(now)) {
        this.#failure = unreadable(domain.path, code);
        continue;
      }
      domain.microjoules += now >= domain.last ? now - domain.last : now - domain.last + domain.range;
      domain.last = now;
    }
  }
}

function tryRead(path: string): { text?: string; code?: string } {
  try {
    return { text: readFileSync(path, 'utf8').trim() };
  } catch (error) {
    return { code: (error as NodeJS.ErrnoException).code ?? 'unknown' };
  }
}

function unreadable(path: string, code: string | undefined): string {
  return code === 'EACCES' || code === 'EPERM'
    ? `${path} is readable by root only; until the next boot \`sudo chmod a+r ${path}\` opens it`
    : `${path} could not be read (${code ?? 'no number in it'})`;
}
