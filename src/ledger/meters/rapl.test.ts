import { test } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryHome } from '../testing/sample-run.ts';
import { openEnergyMeter } from './index.ts';
import { probeRapl } from './rapl.ts';
import type { Meter } from './meter.ts';

type Zones = Record<string, { name: string; energy: number; range?: number }>;

function powercap(zones: Zones): { root: string; set: (zone: string, energy: number) => void } {
  const root = temporaryHome();
  for (const [zone, { name, energy, range = 1_000_000 }] of Object.entries(zones)) {
    mkdirSync(join(root, zone));
    writeFileSync(join(root, zone, 'name'), `${name}\n`);
    writeFileSync(join(root, zone, 'energy_uj'), `${energy}\n`);
    writeFileSync(join(root, zone, 'max_energy_range_uj'), `${range}\n`);
  }
  return { root, set: (zone, energy) => writeFileSync(join(root, zone, 'energy_uj'), `${energy}\n`) };
}

function open(root: string): Meter {
  const probe = probeRapl(root);
  assert.ok('meter' in probe, 'reason' in probe ? probe.reason : '');
  return probe.meter;
}

const server: Zones = {
  'intel-rapl:0': { name: 'package-0', energy: 100 }, 'intel-rapl:0:0': { name: 'core', energy: 100 }, 'intel-rapl:0:1': { name: 'dram', energy: 100 },
  'intel-rapl:1': { name: 'package-1', energy: 100 }, 'intel-rapl:1:0': { name: 'core', energy: 100 }, 'intel-rapl:1:1': { name: 'dram', energy: 100 },
  'intel-rapl:2': { name: 'psys', energy: 100 }, 'intel-rapl-mmio:0': { name: 'package-0', energy: 100 },
};

test('packages and memory are added, what lies within them or around them is not', () => {
  const { root, set } = powercap(server);
  const meter = open(root);
  for (const zone of Object.keys(server)) set(zone, 500_100);
  const reading = meter.read();
  assert.equal(reading.joules, 2);
  assert.deepEqual(reading.parts, { 'package-0': 0.5, 'package-1': 0.5, 'dram-0': 0.5, 'dram-1': 0.5 });
  assert.equal(meter.read().joules, 0);
  meter.close();
});

test('a counter that wraps goes on counting', () => {
  const { root, set } = powercap({ 'intel-rapl:0': { name: 'package-0', energy: 900_000 } });
  const meter = open(root);
  set('intel-rapl:0', 100_000);
  assert.equal(meter.read().joules, 0.2);
  set('intel-rapl:0', 50_000);
  assert.equal(meter.read().joules, 0.95);
  meter.close();
});

test('platform counter only where there is no package', () => {
  const { root, set } = powercap({ 'intel-rapl:0': { name: 'psys', energy: 0 }, 'intel-rapl:0:0': { name: 'dram', energy: 0 } });
  const meter = open(root);
  set('intel-rapl:0', 250_000);
  set('intel-rapl:0:0', 250_000);
  assert.equal(meter.read().joules, 0.25);
  meter.close();
});

test('a counter that becomes unreadable gives no number, and says why', () => {
  const { root, set } = powercap({ 'intel-rapl:0': { name: 'package-0', energy: 0 } });
  const meter = open(root);
  rmSync(join(root, 'intel-rapl:0/energy_uj'));
  const reading = meter.read();
  assert.equal(reading.joules, null);
  assert.match(reading.note!, /could not be read/);
  set('intel-rapl:0', 1000);
  assert.equal(meter.read().joules, 0.001);
  meter.close();
});

test('without readable counters the estimate is used, labelled, and the reason kept', () => {
  const missing = openEnergyMeter({ powercap: '/proc/no-such-folder', watts: { watts: 10, source: 'test' } });
  assert.deepEqual(missing.description.used.map((m) => [m.name, m.grade]), [['cpu-time', 'estimated']]);
  assert.match(missing.description.used[0]!.formula, /processor seconds × 10 W \(test\)/);
  assert.match(missing.description.refused[0]!.reason, /does not exist|only Linux/);
  const until = Date.now() + 60;
  while (Date.now() < until);
  const [reading] = missing.read();
  assert.equal(reading!.grade, 'estimated');
  assert.ok(reading!.value! > 0.01 && reading!.value! < 20, `${reading!.value} J`);
  missing.close();

  const { root } = powercap(server);
  chmodSync(root, 0o755);
  chmodSync(join(root, 'intel-rapl:0/energy_uj'), 0);
  const locked = asOrdinaryUser(() => openEnergyMeter({ powercap: root }));
  assert.equal(locked.description.used[0]!.name, 'cpu-time');
  assert.match(locked.description.refused[0]!.reason, /root only.*chmod a\+r/);
  locked.close();
});

/** File modes do not bind root, who runs many a CI. */
function asOrdinaryUser<T>(work: () => T): T {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid!(65534);
  try {
    return work();
  } finally {
    process.seteuid!(0);
  }
}
