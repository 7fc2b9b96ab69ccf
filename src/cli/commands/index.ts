// All commands, in the order --help shows them. A new command is a file beside this one and a line here.
import type { CommandEntry } from '../command.ts';

export const commands: readonly CommandEntry[] = [
  { name: 'runs', summary: 'list all runs, failed and aborted ones too', load: async () => (await import('./runs.ts')).runs },
  { name: 'bill', summary: 'what a run cost, and all that led to it: hours, FLOP, kWh, euro, CO2', load: async () => (await import('./bill.ts')).bill },
  { name: 'ledger', summary: 'check that the records of all runs are whole and unchanged', load: async () => (await import('./ledger.ts')).ledger },
  { name: 'doctor', summary: 'what this machine has, what will work on it and what not', load: async () => (await import('./doctor.ts')).doctor },
];
