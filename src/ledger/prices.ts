// Prices and the grid's carbon, each with its source and year: $TIEFSUCHE_HOME/config.yaml, or TIEFSUCHE_EUR_PER_KWH and
// TIEFSUCHE_G_PER_KWH for one call, or German averages. They are copied into every run.start, so a bill can be recomputed
// with the prices of its day.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { complaints, parseYaml, refuse } from '../checked-yaml.ts';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import type { Declared, RunStart } from './events.ts';
import type { WattsPerThread } from './meters/cpu-watts.ts';

const defaults = {
  electricity: { value: 0.372, year: 2026, source: 'declared default: German households on average, BDEW Strompreisanalyse, as quoted by others' },
  grid: { value: 363, year: 2024, source: 'declared default: German mix, direct CO2 per kWh, Umweltbundesamt (estimate), as quoted by others' },
} satisfies Record<string, Declared>;

const settings = z.strictObject({
  prices: z.strictObject({
    electricity_eur_per_kwh: z.number().min(0).optional(),
    electricity_source: z.string().optional(),
    /** What the machine cost and how many hours it is expected to work; both or none. */
    hardware_eur: z.number().min(0).optional(),
    hardware_lifetime_hours: z.number().positive().optional(),
  }).optional(),
  grid: z.strictObject({ g_per_kwh: z.number().min(0), source: z.string(), year: z.int().optional() }).optional(),
  energy: z.strictObject({
    /** Watts per busy logical processor, for machines without an energy counter. */
    watts_per_processor: z.number().positive().optional(),
    source: z.string().optional(),
  }).optional(),
});

export interface Prices {
  prices: RunStart['prices'];
  grid: Declared;
  watts: WattsPerThread | undefined;
}

/** The prices that hold now. */
export function readPrices(home: string = homeFolder(), env: NodeJS.ProcessEnv = process.env): Prices {
  const path = join(home, 'config.yaml');
  const config = existsSync(path) ? parseSettings(readFileSync(path, 'utf8'), path) : {};
  const { prices, grid, energy } = config;
  const fromEnv = { price: envNumber(env, 'TIEFSUCHE_EUR_PER_KWH'), grid: envNumber(env, 'TIEFSUCHE_G_PER_KWH'), watts: envNumber(env, 'TIEFSUCHE_WATTS_PER_PROCESSOR') };
  const electricity = fromEnv.price !== undefined ? { value: fromEnv.price, source: 'TIEFSUCHE_EUR_PER_KWH' }
    : prices?.electricity_eur_per_kwh !== undefined ? { value: prices.electricity_eur_per_kwh, source: prices.electricity_source ?? 'config.yaml' }
    : defaults.electricity;
  const watts = fromEnv.watts !== undefined ? { watts: fromEnv.watts, source: 'TIEFSUCHE_WATTS_PER_PROCESSOR' }
    : energy?.watts_per_processor !== undefined ? { watts: energy.watts_per_processor, source: energy.source ?? 'config.yaml' }
    : undefined;
  return {
    prices: {
      electricity_eur_per_kwh: electricity,
      hardware: prices?.hardware_eur !== undefined && prices.hardware_lifetime_hours !== undefined
        ? { eur: prices.hardware_eur, lifetime_hours: prices.hardware_lifetime_hours, source: 'config.yaml' } : null,
    },
    grid: fromEnv.grid !== undefined ? { value: fromEnv.grid, source: 'TIEFSUCHE_G_PER_KWH' }
      : grid ? { value: grid.g_per_kwh, source: grid.source, ...(grid.year !== undefined && { year: grid.year }) }
      : defaults.grid,
    watts,
  };
}

function parseSettings(text: string, path: string): z.infer<typeof settings> {
  const source = parseYaml(text, path);
  const value: unknown = source.document.toJS() ?? {};
  const found = complaints(settings, value);
  if (found.length > 0) refuse(source, found);
  const config = settings.parse(value);
  if ((config.prices?.hardware_eur === undefined) !== (config.prices?.hardware_lifetime_hours === undefined)) {
    refuse(source, [{ path: ['prices'], text: 'hardware_eur and hardware_lifetime_hours belong together: give both or none' }]);
  }
  return config;
}

function envNumber(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new TiefsucheError('CONFIG', `${name} is "${text}", which is not a number of zero or more`);
}
