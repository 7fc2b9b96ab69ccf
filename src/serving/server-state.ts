// What the routes share: the models that are served, the limits, the counters, and the answers that are still open.

import type { EngineAnswer, Engine } from './engines/engine.ts';
import type { Metrics } from './metrics.ts';
import type { Identity } from './users/authenticate.ts';

export interface ServedModel {
  readonly id: string;
  readonly engine: Engine;
  /** Unix seconds of its files. */
  readonly created: number;
  /** Moving average of the seconds a choice took, to say when to come again. */
  secondsPerChoice: number;
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
  readonly limits: Limits;
  readonly metrics: Metrics;
  readonly open: Set<EngineAnswer>;
  stopping: boolean;
}
