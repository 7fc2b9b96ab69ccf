// The one call a training method makes to be on record: gathers the facts that need no asking (code, machine, prices,
// meters), opens the ledger of the attempt, and starts the clock and the energy meter.
import { homeFolder } from '../home.ts';
import type { RunStart } from './events.ts';
import { openEnergyMeter } from './meters/index.ts';
import { readPrices } from './prices.ts';
import { codeFacts, hardwareFacts } from './provenance.ts';
import { WorkCounter } from './work-counter.ts';
import { beginAttempt, type AttemptLedger, type StartFacts } from './workspace.ts';

export type AttemptFacts =
  Pick<StartFacts, 'run' | 'name' | 'attempt' | 'why' | 'seeds'> & Partial<Pick<StartFacts, 'resumed_from' | 'parents' | 'model'>> & { recipe: object };

export interface RecordedAttempt {
  ledger: AttemptLedger;
  work: WorkCounter;
  meters: RunStart['meters'];
  /** Stops the meters; call it after `ledger.end`. */
  close(): void;
}

export function recordAttempt(facts: AttemptFacts, home: string = homeFolder()): RecordedAttempt {
  const { prices, grid, watts } = readPrices(home);
  const energy = openEnergyMeter({ watts });
  const ledger = beginAttempt({
    resumed_from: null, parents: [], ...facts, recipe: JSON.parse(JSON.stringify(facts.recipe)) as RunStart['recipe'],
    code: codeFacts(), hardware: hardwareFacts(), prices, grid_g_per_kwh: grid, meters: energy.description,
  }, home);
  return { ledger, work: new WorkCounter(energy), meters: energy.description, close: () => energy.close() };
}
