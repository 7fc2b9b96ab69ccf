// `tiefsuche bill RUN`: what the run cost with all its attempts, and with everything that led to it. Each figure says
// whether it was measured, counted, estimated, or declared by somebody.
import { billOf, type Bill, type Cost, type Figure } from '../../ledger/bill.ts';
import { verifyLedger } from '../../ledger/verify.ts';
import { listRuns } from '../../runs/run-folder.ts';
import type { Command, CommandContext } from '../command.ts';
import { duration, energy, grams, money, si, table, wrap } from '../figures.ts';
import { decimal } from '../option-values.ts';
import type { Style } from '../terminal.ts';

export const bill: Command = {
  name: 'bill',
  summary: 'what a run cost, and all that led to it: hours, FLOP, kWh, euro, CO2',
  description: `The bill of a run: its own attempts, failed ones too, and the runs it grew from.
Prices and the grid factor come from $TIEFSUCHE_HOME/config.yaml as they were when the run began.`,
  arguments: [{ name: '<run>', text: 'name or id of a run' }],
  options: [{ flags: '--price <euro>', text: 'price of a kWh in euro, instead of the recorded one', parse: decimal('--price', { min: 0 }) }],
  reports: true,
  examples: [
    { line: 'tiefsuche bill quickstart', text: 'what the quickstart cost' },
    { line: 'tiefsuche bill quickstart --price 0.21', text: 'at another price' },
    { line: 'tiefsuche bill quickstart --json', text: 'with the basis of every figure' },
  ],
  run: ({ args, options, json, terminal }) => {
    const price = options.price as number | undefined;
    const result = billOf(idOf(args[0]!), price === undefined ? {} : { eurPerKwh: price });
    const { problems, head } = verifyLedger();
    if (json) terminal.print(JSON.stringify({ ...result, ledger: { intact: problems.length === 0, head } }, null, 2));
    else printBill(result, problems.length === 0, terminal);
    if (problems.length > 0) terminal.warn('the ledger was changed after it was written, so these figures prove nothing; `tiefsuche ledger verify` says where');
  },
};

function printBill(result: Bill, intact: boolean, { out, print, width }: CommandContext['terminal']): void {
  const { own, total, before, notes } = result;
  print(`${out.bold(result.name)}  ${out.dim(`${result.run} · ${attemptsText(own)}`)}`);
  const alone = before.length === 0;
  const figures: [string, (c: Cost) => Figure | null, (value: number) => string][] = [
    ['time', (c) => c.hours, (h) => duration(h * 3600)],
    ['tokens trained', (c) => c.tokens_trained, si],
    ['tokens sampled', (c) => c.tokens_sampled, si],
    ['FLOP, model', (c) => c.flop_model, (v) => `${si(v)}FLOP`],
    ['FLOP, recomputed', (c) => c.flop_recompute, (v) => `${si(v)}FLOP`],
    ['FLOP, sampling', (c) => c.flop_sampling, (v) => `${si(v)}FLOP`],
    ['energy', (c) => c.kwh, energy],
    ['electricity', (c) => c.euro_electricity, money],
    ['machine', (c) => c.euro_hardware, money],
    ['CO2', (c) => c.gco2, grams],
  ];
  const cell = (f: Figure | null, show: (value: number) => string): string => (f?.value == null ? 'not known' : show(f.value));
  const rows = figures.filter(([, of]) => of(total) !== null).map(([label, of, show]) => [
    label, cell(of(own), show), ...(alone ? [] : [cell(of(total), show)]), grade(of(total)!, out),
  ]);
  print();
  print(table([{ title: '' }, { title: 'this run', align: 'right' }, ...(alone ? [] : [{ title: 'with all before', align: 'right' } as const]), { title: '' }], rows, out.dim));
  if (!alone) {
    print();
    print(table([{ title: 'led to it' }, { title: 'by' }, { title: 'time', align: 'right' }, { title: 'energy', align: 'right' }, { title: 'attempts' }],
      before.map((b) => [b.name, b.relation, duration(b.cost.hours.value! * 3600), cell(b.cost.kwh, energy), attemptsText(b.cost)]), out.dim));
  }
  print();
  for (const [label, figure] of [['energy', total.kwh], ['electricity', total.euro_electricity], ['CO2', total.gco2]] as const) print(wrap(`${label}: ${figure.basis}`, width, 2).map(out.dim).join('\n'));
  for (const note of notes) print(`${out.yellow('note:')} ${note}`);
  if (intact) print(out.dim('the records these figures come from are unchanged'));
}

// A folder that was renamed still has the id the ledger knows; one that was deleted has only its name there.
function idOf(run: string): string {
  return listRuns().find((r) => r.name === run)?.id ?? run;
}

function attemptsText({ attempts, outcomes }: Cost): string {
  const parts = Object.entries(outcomes).filter(([, n]) => n > 0).map(([outcome, n]) => `${n} ${outcome}`);
  return `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}: ${parts.join(', ')}`;
}

function grade(figure: Figure, out: Style): string {
  return { measured: out.green, counted: out.green, estimated: out.yellow, declared: out.cyan }[figure.grade](figure.grade);
}
