// Where models come from: one file per kind of reference. A source says what a reference stands for (an offer: names,
// sizes, licence) before a byte of weights moves; pull.ts checks it, fetches its files, and gives the folder its name.

import type { Stored } from './download.ts';
import type { Patience } from './patient-fetch.ts';

export interface OfferedFile {
  /** Its name in the model's folder. */
  readonly name: string;
  /** Null where nobody says. */
  readonly bytes: number | null;
  /** Puts the file at `to`; what is there from an earlier attempt is used. */
  readonly fetch: (to: string, onBytes: (more: number) => void) => Promise<Stored>;
}

export interface Offer {
  /** The reference in its plain form, such as hf:OWNER/NAME or the address. */
  readonly source: string;
  /** What exactly: a commit, a version; null where there is none. */
  readonly revision: string | null;
  /** Name of the model's folder, unless the user gives another. */
  readonly name: string;
  /** As its publisher calls it; null where nothing says. */
  readonly licence: string | null;
  readonly files: readonly OfferedFile[];
  close?: () => void;
}

export interface SourceOptions {
  readonly patience: Patience;
  readonly env: NodeJS.ProcessEnv;
  /** SHA-256 that the file must have, for sources that name none. */
  readonly sha256?: string | undefined;
}

export interface Source {
  readonly name: string;
  /** How a reference looks, for help and errors. */
  readonly form: string;
  readonly matches: (reference: string) => boolean;
  readonly open: (reference: string, options: SourceOptions) => Promise<Offer>;
}
