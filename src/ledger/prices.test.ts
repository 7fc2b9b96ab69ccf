import { test } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPrices } from './prices.ts';
import { temporaryHome } from './testing/sample-run.ts';

test('defaults name their source and year; the file overrides them, the environment both', () => {
  const home = temporaryHome();
  const { prices, grid, watts } = readPrices(home, {});
  assert.ok(prices.electricity_eur_per_kwh.value > 0.1 && prices.electricity_eur_per_kwh.source && prices.electricity_eur_per_kwh.year);
  assert.ok(grid.value > 100 && grid.source && grid.year);
  assert.equal(prices.hardware, null);
  assert.equal(watts, undefined);
  writeFileSync(join(home, 'config.yaml'), 'prices:\n  electricity_eur_per_kwh: 0.21\n  hardware_eur: 900\n  hardware_lifetime_hours: 20000\nenergy:\n  watts_per_processor: 6\n');
  assert.equal(readPrices(home, {}).prices.electricity_eur_per_kwh.value, 0.21);
  assert.deepEqual(readPrices(home, {}).prices.hardware, { eur: 900, lifetime_hours: 20_000, source: 'config.yaml' });
  assert.deepEqual(readPrices(home, { TIEFSUCHE_EUR_PER_KWH: '0' }).prices.electricity_eur_per_kwh, { value: 0, source: 'TIEFSUCHE_EUR_PER_KWH' });
  assert.throws(() => readPrices(home, { TIEFSUCHE_G_PER_KWH: 'green' }), { code: 'CONFIG' });
});

test('a mistyped setting is refused with its line and the right name', () => {
  const home = temporaryHome();
  writeFileSync(join(home, 'config.yaml'), 'prices:\n  electricity_eur_per_kw: 0.21\n');
  assert.throws(() => readPrices(home, {}), /config\.yaml:2: prices\.electricity_eur_per_kw: there is no such key; did you mean "electricity_eur_per_kwh"\?/);
});
