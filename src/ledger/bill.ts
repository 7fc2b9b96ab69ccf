// The bill of a run: everything its attempts recorded, failed and aborted ones too, plus the runs it grew from, as far
// as they had got when it began. Every figure says how it is known; a figure that misses a part says so.
// kWh = J / 3.6e6 · euro = kWh × price + hours × machine price / lifetime · gCO2 = kWh × grid factor.
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { joules, kilowattHours } from '../units.ts';
import { nearest } from '../nearest.ts';
import { grades, type Grade, type Outcome, type Parent } from './events.ts';
import { listAttempts, readAttempt, type AttemptEntry } from './workspace.ts';

export interface Figure {
  /** Null: not known. */
  value: number | null;
  unit: string;
  grade: Grade;
  basis: string;
}

export interface Cost {
  attempts: number;
  /** Attempts by how they ended; `running` has no end yet. */
  outcomes: Record<Outcome | 'running', number>;
  hours: Figure;
  tokens_trained: Figure;
  tokens_sampled: Figure;
  flop_model: Figure;
  flop_recompute: Figure;
  flop_sampling: Figure;
  kwh: Figure;
  euro_electricity: Figure;
  /** Null when no machine price is configured. */
  euro_hardware: Figure | null;
  gco2: Figure;
}

export interface BillLine { run: string; name: string; why: string; relation: 'this' | Parent['relation']; cost: Cost }

export interface Bill {
  run: string;
  name: string;
  own: Cost;
  /** The runs this one grew from, nearest first. */
  before: BillLine[];
  total: Cost;
  /** What the figures do not hold. */
  notes: string[];
}

type Attempt = NonNullable<ReturnType<typeof readAttempt>> & { entry: AttemptEntry };

/** @param eurPerKwh another price than the recorded ones */
export function billOf(run: string, options: { home?: string; eurPerKwh?: number } = {}): Bill {
  const attempts = listAttempts(options.home ?? homeFolder()).flatMap((entry): Attempt[] => {
    const said = readAttempt(entry.path);
    return said ? [{ ...said, entry }] : [];
  });
  const id = resolveRun(run, attempts);
  const own = attempts.filter((a) => a.start.run === id);
  const notes: string[] = [];
  const lineage = ancestors(id, attempts, notes);
  const before = lineage.map(({ parent, relation, until }): BillLine => {
    const theirs = upTo(attempts.filter((a) => a.start.run === parent), until);
    return { run: parent, name: theirs[0]?.start.name ?? parent, why: theirs.at(-1)?.start.why ?? '', relation, cost: costOf(theirs, options.eurPerKwh) };
  });
  const everything = [...own, ...lineage.flatMap(({ parent, until }) => upTo(attempts.filter((a) => a.start.run === parent), until))];
  const silent = everything.filter((a) => a.end?.closed_by === 'successor' || (!a.end && a.entry.writer === 'dead')).length;
  if (silent > 0) notes.push(`${silent} ${silent === 1 ? 'attempt' : 'attempts'} ended without a word: the work after the last record before that is not known and not counted`);
  return { run: id, name: own[0]!.start.name, own: costOf(own, options.eurPerKwh), before, total: costOf(everything, options.eurPerKwh), notes };
}

// A name may have been used again after its folder was deleted: the latest run of that name is meant; an id is exact.
function resolveRun(run: string, attempts: readonly Attempt[]): string {
  const found = attempts.find((a) => a.start.run === run) ?? attempts.findLast((a) => a.start.name === run);
  if (found) return found.start.run;
  const near = nearest(run, attempts.map((a) => a.start.name));
  throw new TiefsucheError('NOT_FOUND', `the ledger knows no run called "${run}"`,
    { hint: near === undefined ? '`tiefsuche runs` lists all runs' : `did you mean "${near}"?` });
}

interface Ancestor { parent: string; relation: Parent['relation']; until: string }

// Breadth first; a run reached by several ways is counted once, up to the latest time any of them used it.
function ancestors(id: string, attempts: readonly Attempt[], notes: string[]): Ancestor[] {
  const found = new Map<string, Ancestor>();
  const queue = [id];
  for (let child = queue.shift(); child !== undefined; child = queue.shift()) {
    const until = found.get(child)?.until ?? '9';
    for (const { start } of attempts.filter((a) => a.start.run === child && a.start.time <= until)) {
      for (const { run, relation, name, path } of start.parents) {
        if (run === id) continue;
        if (run === null || !attempts.some((a) => a.start.run === run)) {
          const note = `what ${name ?? path ?? run ?? 'an ancestor'} cost was not recorded here and is not in the total`;
          if (!notes.includes(note)) notes.push(note);
          continue;
        }
        const known = found.get(run);
        if (known && known.until >= start.time) continue;
        found.set(run, { parent: run, relation: known?.relation ?? relation, until: start.time });
        if (!known) queue.push(run);
      }
    }
  }
  return [...found.values()];
}

function upTo(attempts: readonly Attempt[], time: string): Attempt[] {
  return attempts.filter((a) => a.start.time <= time)
    .map((a) => ({ ...a, ticks: a.ticks.filter((t) => t.time <= time) }));
}

function costOf(attempts: readonly Attempt[], eurPerKwh: number | undefined): Cost {
  const outcomes: Cost['outcomes'] = { completed: 0, failed: 0, aborted: 0, running: 0 };
  const sums = { seconds: 0, trained: 0, sampled: 0, model: 0, recompute: 0, sampling: 0, joules: 0, electricity: 0, hardware: 0, grams: 0 };
  const methods = new Set<string>();
  const priceSources = new Set<string>();
  const gridSources = new Set<string>();
  let energyGrade: Grade = 'measured';
  let gaps = 0;
  let priced = false;
  for (const { start, ticks, end, entry } of attempts) {
    outcomes[end?.outcome ?? (entry.writer === 'dead' ? 'failed' : 'running')] += 1;
    const price = start.prices.electricity_eur_per_kwh;
    const perKwh = eurPerKwh ?? price.value;
    priceSources.add(eurPerKwh === undefined ? `${price.value} €/kWh (${price.source}${price.year ? ` ${price.year}` : ''})` : `${eurPerKwh} €/kWh (given)`);
    gridSources.add(`${start.grid_g_per_kwh.value} g/kWh (${start.grid_g_per_kwh.source}${start.grid_g_per_kwh.year ? ` ${start.grid_g_per_kwh.year}` : ''})`);
    const hardware = start.prices.hardware;
    if (hardware) priced = true;
    for (const meter of start.meters.used) methods.add(`${meter.name}: ${meter.covers}; ${meter.formula}`);
    for (const tick of ticks) {
      sums.seconds += tick.seconds;
      sums.trained += tick.tokens.trained;
      sums.sampled += tick.tokens.sampled;
      sums.model += tick.flop.model;
      sums.recompute += tick.flop.recompute;
      sums.sampling += tick.flop.sampling;
      if (hardware) sums.hardware += (tick.seconds / 3600 / hardware.lifetime_hours) * hardware.eur;
      for (const reading of tick.joules) {
        energyGrade = weaker(energyGrade, reading.grade);
        if (reading.value === null) gaps += 1;
        const energy = kilowattHours(joules(reading.value ?? 0));
        sums.joules += reading.value ?? 0;
        sums.electricity += energy * perKwh;
        sums.grams += energy * start.grid_g_per_kwh.value;
      }
      if (tick.joules.length === 0) gaps += 1;
    }
  }
  const counted = (value: number, unit: string, basis: string): Figure => ({ value, unit, grade: 'counted', basis });
  const missing = gaps > 0 ? `; ${gaps} ticks without a reading are missing` : '';
  const known = methods.size > 0;
  return {
    attempts: attempts.length, outcomes,
    hours: { value: sums.seconds / 3600, unit: 'h', grade: 'measured', basis: 'wall clock of all recorded work' },
    tokens_trained: counted(sums.trained, 'tokens', 'tokens that went through a forward and backward pass'),
    tokens_sampled: counted(sums.sampled, 'tokens', 'tokens that were generated'),
    flop_model: counted(sums.model, 'FLOP', 'forward and backward of training and evaluation, multiply-add = 2'),
    flop_recompute: counted(sums.recompute, 'FLOP', 'done again to save memory'),
    flop_sampling: counted(sums.sampling, 'FLOP', 'forward passes that generated tokens'),
    kwh: { value: known ? kilowattHours(joules(sums.joules)) : null, unit: 'kWh', grade: energyGrade, basis: `${[...methods].join(' | ') || 'no meter'}${missing}` },
    euro_electricity: { value: known ? sums.electricity : null, unit: '€', grade: weaker(energyGrade, 'declared'), basis: `energy × ${[...priceSources].join(', ')}` },
    euro_hardware: priced ? { value: sums.hardware, unit: '€', grade: 'declared', basis: 'hours × price of the machine / hours it is expected to work' } : null,
    gco2: { value: known ? sums.grams : null, unit: 'g', grade: weaker(energyGrade, 'declared'), basis: `energy × ${[...gridSources].join(', ')}` },
  };
}

// What is estimated stays estimated; multiplied by somebody's declared price, a measurement is only as good as that.
function weaker(a: Grade, b: Grade): Grade {
  if (a === 'estimated' || b === 'estimated') return 'estimated';
  return grades.indexOf(a) > grades.indexOf(b) ? a : b;
}
