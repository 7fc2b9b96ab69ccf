// How models are shown: what was added, and whether it fits. Estimates are called that.
import { homeFolder } from '../home.ts';
import type { ModelRecord } from '../models/record.ts';
import type { Pulled } from '../models/pull.ts';
import { openModelFiles } from '../models/load.ts';
import { type ModelFit, modelFit } from '../reasoning/fit.ts';
import { measuredBandwidth } from '../reasoning/measured-bandwidth.ts';
import { bytes, digits } from './figures.ts';
import { machineFacts } from './machine.ts';
import type { Terminal } from './terminal.ts';

export async function fitHere(path: string, context?: number): Promise<ModelFit> {
  const files = openModelFiles(path);
  try { return modelFit(files, { context, freeBytes: machineFacts().freeBytes, bandwidth: await measuredBandwidth(homeFolder()) }); } finally { files.close(); }
}

export const fitJson = (fit: ModelFit): Record<string, unknown> => ({
  context: fit.context, weight_bytes: fit.weightBytes, cache_bytes: fit.cacheBytes, total_bytes: fit.totalBytes, free_bytes: fit.freeBytes, fits: fit.fits, tokens_per_second_estimated: fit.tokensPerSecond,
});

export function fitText(fit: ModelFit): string {
  const speed = fit.tokensPerSecond === null ? '' : `, at most ${digits(Number(fit.tokensPerSecond.toPrecision(2)))} tokens/s (estimated)`;
  return fit.fits ? `fits${speed}` : `does not fit: ${bytes(fit.totalBytes)} of ${bytes(fit.freeBytes)} free`;
}

export function printAdded({ name, path, record, kept }: Pulled, fit: ModelFit, { out, print, warn }: Terminal): void {
  print(`${out.bold(name)} ${kept ? 'is here already' : 'is here'}: ${path}`);
  print(`licence  ${record.licence ?? 'none stated'}`);
  print(`from     ${record.source}${record.revision === null ? '' : ` at ${record.revision}`}`);
  for (const file of weightsOf(record)) print(`sha256   ${file.sha256}  ${file.name} (${bytes(file.bytes)})`);
  print(`memory   ${bytes(fit.weightBytes)} of weights, ${bytes(fit.cacheBytes)} for a context of ${fit.context} tokens: ${fitText(fit)}`);
  if (record.licence === null) warn('nobody says under which licence this model may be used; ask its publisher before you build on it');
  if (!fit.fits) warn('this machine has too little free memory for it as it is; close programs, or take a smaller or more quantised one');
}

const weightsOf = ({ files }: ModelRecord): ModelRecord['files'] => files.filter((f) => /\.(gguf|safetensors)$/.test(f.name));
