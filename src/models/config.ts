// Reading Hugging Face's config.json: numbers with defaults, clear errors, and the two ways rotary embeddings are written
// (rope_theta + rope_scaling before transformers 5, rope_parameters since).

import { TiefsucheError } from '../errors.ts';
import type { Rope } from '../engine/rope-table.ts';

export type ConfigJson = Readonly<Record<string, unknown>>;

function fail(key: string, value: unknown, expected: string): never {
  throw new TiefsucheError('CONFIG', `config.json: ${key} is ${JSON.stringify(value)}, expected ${expected}`);
}

export function integer(config: ConfigJson, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > 2 ** 31) fail(key, value, 'a whole number');
  return value;
}

/** A whole number of at least 1. */
export function positive(config: ConfigJson, key: string, fallback?: number): number {
  const value = integer(config, key, fallback);
  if (value === 0) fail(key, value, 'at least 1');
  return value;
}

export function number(config: ConfigJson, key: string, fallback?: number): number {
  const value = config[key] ?? fallback;
  if (typeof value !== 'number' || !Number.isFinite(value)) fail(key, value, 'a number');
  return value;
}

export function boolean(config: ConfigJson, key: string, fallback: boolean): boolean {
  const value = config[key] ?? fallback;
  if (typeof value !== 'boolean') fail(key, value, 'true or false');
  return value;
}

/** Refuses a setting that would change the computation in a way we do not do. */
export function expectValue(config: ConfigJson, key: string, allowed: readonly unknown[]): void {
  const value = config[key];
  if (value !== undefined && value !== null && !allowed.includes(value)) {
    throw new TiefsucheError('UNSUPPORTED', `config.json: ${key} is ${JSON.stringify(value)}; supported: ${allowed.map((x) => JSON.stringify(x)).join(', ')}`);
  }
}

/** Settings of all architectures for `Architecture.settings`; rotations in the spelling that transformers 4 reads too. */
export function commonSettings(config: ConfigJson, { maxPositions, eps, rope }: { maxPositions: number; eps: number; rope: Rope }): Record<string, unknown> {
  return {
    hidden_act: 'silu', max_position_embeddings: maxPositions, rms_norm_eps: eps, tie_word_embeddings: boolean(config, 'tie_word_embeddings', false),
    ...(config['rope_parameters'] === undefined && { rope_theta: rope.theta }),
  };
}

/** Rotary settings for heads that turn `dim` channels. */
export function ropeOf(config: ConfigJson, dim: number): Rope {
  const value = config['rope_parameters'] ?? config['rope_scaling'] ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) fail('rope_parameters', value, 'an object');
  const nested = value as Record<string, unknown>;
  const theta = number({ rope_theta: nested['rope_theta'] ?? config['rope_theta'] }, 'rope_theta', 10000);
  const type = nested['rope_type'] ?? nested['type'] ?? 'default';
  if (type === 'default') return { dim, theta };
  if (type === 'linear') return { dim, theta, linear: number(nested, 'factor') };
  if (type === 'llama3') {
    const llama3 = {
      factor: number(nested, 'factor'), originalMaxPositions: positive(nested, 'original_max_position_embeddings'),
      lowFactor: number(nested, 'low_freq_factor'), highFactor: number(nested, 'high_freq_factor'),
    };
    if (llama3.highFactor <= llama3.lowFactor) fail('high_freq_factor', llama3.highFactor, 'more than low_freq_factor');
    return { dim, theta, llama3 };
  }
  if (type !== 'yarn') throw new TiefsucheError('UNSUPPORTED', `config.json: rotary scaling of type ${JSON.stringify(type)} is not supported; known: default, linear, llama3, yarn`);
  return {
    dim, theta,
    yarn: {
      factor: number(nested, 'factor'),
      originalMaxPositions: integer(nested, 'original_max_position_embeddings', integer(config, 'max_position_embeddings', 4096)),
      betaFast: number(nested, 'beta_fast', 32),
      betaSlow: number(nested, 'beta_slow', 1),
      mscale: number(nested, 'mscale', 0),
      mscaleAllDim: number(nested, 'mscale_all_dim', 0),
    },
  };
}
