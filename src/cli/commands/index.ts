// All commands, in the order --help shows them. A new command is a file beside this one and a line here.
import type { CommandEntry } from '../command.ts';

export const commands: readonly CommandEntry[] = [
  { name: 'start', summary: 'open the studio; train the quickstart model if there is none', load: async () => (await import('./start.ts')).start },
  { name: 'quickstart', summary: 'train the quickstart model and exit', load: async () => (await import('./quickstart.ts')).quickstart },
  { name: 'train', summary: 'train a model by a recipe, or go on with a run', load: async () => (await import('./train.ts')).train },
  { name: 'specialise', summary: 'make an open model your own with your data', load: async () => (await import('./specialise.ts')).specialise },
  { name: 'replay', summary: 'train a run again and compare every checkpoint, byte for byte', load: async () => (await import('./replay.ts')).replay },
  { name: 'chat', summary: 'talk with a model and watch it think', load: async () => (await import('./chat.ts')).chat },
  { name: 'data', summary: 'what a model would read and learn of a data file', load: async () => (await import('./data.ts')).data },
  { name: 'serve', summary: 'answer over HTTP as OpenAI\'s API does', load: async () => (await import('./serve.ts')).serve },
  { name: 'users', summary: 'who may use the server, and with which keys', load: async () => (await import('./users.ts')).users },
  { name: 'audit', summary: 'who asked which model how much, and how long that is kept', load: async () => (await import('./audit.ts')).audit },
  { name: 'eval', summary: 'how many unseen problems a model solves', load: async () => (await import('./eval.ts')).evaluate },
  { name: 'logits', summary: "the model's raw numbers for given token ids", load: async () => (await import('./logits.ts')).logits },
  { name: 'pull', summary: 'fetch an open model', load: async () => (await import('./pull.ts')).pull },
  { name: 'models', summary: 'list the models that are here, or add one from a disk', load: async () => (await import('./models.ts')).models },
  { name: 'export', summary: 'take a model anywhere, with a proof that it still says the same', load: async () => (await import('./export.ts')).exportCommand },
  { name: 'handover', summary: 'a folder with which a cluster goes on with a run, or serves it', load: async () => (await import('./handover.ts')).handover },
  { name: 'import', summary: 'bring back what a cluster made of a run that was handed over', load: async () => (await import('./import.ts')).importCommand },
  { name: 'engine', summary: 'install llama.cpp, to serve what ours cannot read and to prove exports against it', load: async () => (await import('./engine.ts')).engine },
  { name: 'bench', summary: 'how fast this machine trains and samples', load: async () => (await import('./bench.ts')).bench },
  { name: 'runs', summary: 'list all runs, failed and aborted ones too', load: async () => (await import('./runs.ts')).runs },
  { name: 'bill', summary: 'what a run cost, and all that led to it: hours, FLOP, kWh, euro, CO2', load: async () => (await import('./bill.ts')).bill },
  { name: 'ledger', summary: 'check that the records of all runs are whole and unchanged', load: async () => (await import('./ledger.ts')).ledger },
  { name: 'doctor', summary: 'what this machine has, what will work on it and what not', load: async () => (await import('./doctor.ts')).doctor },
];
