// What the routes share: the models that are served, the limits, the counters, and the answers that are still open.

import type { FitOptions } from '../reasoning/fit.ts';
import type { EngineAnswer, Engine } from './engines/engine.ts';
import type { Audit } from './audit.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { ModelStore } from './model-store.ts';
import type { RunReader } from './studio/run-reader.ts';
import type { Identity } from './users/authenticate.ts';

export interface ServedModel {
  readonly id: string;
  readonly engine: Engine;
  /** Unix seconds of its files. */
  readonly created: number;
  readonly path: string;
  /** SHA-256 of its weights as they lie on disk; an answer tells by it which model spoke. */
  readonly weights: Promise<string>;
  /** Step of the checkpoint it is, if it is one. */
  readonly step: number | null;
  /** Moving average of the seconds a choice took, to say when to come again. */
  secondsPerChoice: number;
  /** Tokens a second of the latest answer; null before the first. */
  speed: number | null;
}

export interface Limits {
  /** Choices that may wait beyond the slots of an engine. */
  readonly maxQueue: number;
  /** Seconds a request may take, waiting included. */
  readonly timeLimit: number;
  /** Bytes of a body. */
  readonly bodyBytes: number;
}

export interface ServerState {
  /** The address it listens on, and further names under which it is reached. */
  readonly host: string;
  readonly names: readonly string[];
  readonly identity: Identity;
  readonly models: ReadonlyMap<string, ServedModel>;
  /** How weights, keys and values are held. */
  readonly held: Pick<FitOptions, 'precision' | 'cache'>;
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Null: nothing is recorded. */
  readonly audit: Audit | null;
  readonly open: Set<EngineAnswer>;
  readonly home: string;
  /** Loads and unloads models while the server runs. */
  readonly store: ModelStore;
  readonly runs: RunReader;
  /** Program and arguments of the command line: runs are trained in processes of their own. */
  readonly commandLine: readonly string[];
  stopping: boolean;
}
