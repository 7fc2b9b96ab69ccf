// Whether a model fits this machine, before a weight of it is read: it is made on a backend that only counts, with its
// cache at the context asked for and the largest program of the sampler. Tokens a second are an estimate: memory is read
// once for every token, so the machine's measured bandwidth over the bytes read is the most that can be.

import { DryBackend } from '../engine/backends/dry.ts';
import type { CacheType } from '../engine/cache-pages.ts';
import { Arena } from '../engine/program.ts';
import type { Precision } from '../models/compressed.ts';
import type { ModelFiles } from '../models/formats/model-files.ts';
import { loadModel } from '../models/load.ts';
import type { Model } from '../models/model.ts';
import { Rollout } from './rollout.ts';

export interface ModelFit {
  readonly context: number;
  /** Weights as they are held, with the copies that sampling reads. */
  readonly weightBytes: number;
  /** Keys and values of one conversation that fills the context. */
  readonly cacheBytes: number;
  /** With the work space of the largest step. */
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly fits: boolean;
  /** Read for one token, at an empty cache. */
  readonly bytesPerToken: number;
  /** Estimated, from measured bandwidth; null where that is not known. */
  readonly tokensPerSecond: number | null;
}

export interface FitOptions { readonly context?: number | undefined; readonly precision?: Precision; readonly cache?: CacheType; readonly freeBytes: number; /** Bytes/s of reading memory. */ readonly bandwidth: number | null }

/** What a conversation gets by default, or what the model can. */
const usualContext = 4096;

export function modelFit(files: ModelFiles, { context: wanted, precision = 'file', cache = 'f32', freeBytes, bandwidth }: FitOptions): ModelFit {
  const backend = new DryBackend(), model = loadModel(backend, files, { precision, absorbed: true, dry: true }), context = Math.min(wanted ?? usualContext, model.maxPositions);
  const held = backend.bytes, rollout = new Rollout(model, new Arena(backend), { maxRows: 1, maxTokens: context, cache });
  const programs = rollout.plan({ temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }), packed = model.packedBytes();
  const cacheBytes = rollout.bytes - packed, weightBytes = held + packed, totalBytes = weightBytes + cacheBytes + Math.max(...programs.map((p) => p.arenaBytes));
  const bytesPerToken = bytesRead(model, files);
  rollout.close();
  model.close();
  return { context, weightBytes, cacheBytes, totalBytes, freeBytes, fits: totalBytes <= freeBytes, bytesPerToken, tokensPerSecond: bandwidth === null ? null : bandwidth / bytesPerToken };
}

/** Every weight once, of the experts only the chosen ones, and of an embedding that is not the head too a row. */
function bytesRead(model: Model, files: ModelFiles): number {
  const experts = model.dims.moe?.experts ?? 0, chosen = Number(model.config['num_experts_per_tok'] ?? 0);
  return model.architecture.parameters(model.config).reduce((sum, spec) => {
    if (spec.kind === 'embedding' && !model.dims.tied) return sum;
    const size = spec.shape.reduce((a, b) => a * b, 1);
    const bytes = model.compressed?.covers(spec.name) ? files.weights.tensors.get(spec.name)!.byteLength : 4 * size;
    return sum + (spec.stack && experts > 0 ? (bytes * chosen) / experts : bytes);
  }, 0);
}
