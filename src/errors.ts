// One error class for everything a user can meet. The code is permanent (scripts match on it); the message says what
// happened and why, the hint says what to do. `exit` is the status the command line ends with:
// 1 failed · 2 bad usage or input · 3 not enough memory or disk · 4 numbers went bad · 130 stopped by the user.

const exits = {
  USAGE: 2, CONFIG: 2, INPUT: 2, SHAPE: 2, FORMAT: 2, NOT_FOUND: 2, UNSUPPORTED: 2, EXISTS: 2,
  MEMORY: 3, DISK: 3, LOCKED: 1, BACKEND: 1, CHECKPOINT: 1, LEDGER: 1, MISMATCH: 1,
  NETWORK: 1, DENIED: 1, NUMERICS: 4, STOPPED: 130,
} as const;

export type ErrorCode = keyof typeof exits;

const marker = Symbol.for('tiefsuche.error');

export class TiefsucheError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly [marker] = true;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TiefsucheError';
    this.code = code;
    this.hint = options.hint;
  }

  /** Exit status of the command line for this error. */
  get exit(): number { return exits[this.code]; }
}

/** True for our own errors, also across duplicate copies of the package. */
export function isTiefsucheError(error: unknown): error is TiefsucheError {
  return typeof error === 'object' && error !== null && marker in error;
}

/** Checks what only a bug of ours can break; user errors are TiefsucheErrors. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal error: ${message}; please report it`);
}
