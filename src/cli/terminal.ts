// The terminal: colours that respect NO_COLOR and pipes, and Ctrl-C that asks first and acts the second time.
// Reports go to stdout; progress, warnings and errors go to stderr, so that a pipe gets the report alone.
import { writeSync } from 'node:fs';

export interface Style {
  bold(text: string): string;
  /** For thinking and side remarks. */
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

export interface Terminal {
  /** Styles for stdout and for stderr: one may be a terminal while the other is a file. */
  out: Style;
  err: Style;
  /** Columns of stdout; 80 when it is not a terminal. */
  width: number;
  /** Whether stdout is a terminal: only there are long lines cut. */
  isTerminal: boolean;
  /** Whether a person can answer: stdin and stdout are terminals. */
  interactive: boolean;
  print(text?: string): void;
  warn(text: string): void;
}

type Stream = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean; columns?: number };

/** Colour when the stream is a terminal; NO_COLOR forbids it, FORCE_COLOR demands it. */
export function usesColour(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

export function styleFor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): Style {
  const on = usesColour(stream, env);
  const paint = (open: number, close: number) => (text: string): string => (on ? `\x1b[${open}m${text}\x1b[${close}m` : text);
  return { bold: paint(1, 22), dim: paint(2, 22), red: paint(31, 39), green: paint(32, 39), yellow: paint(33, 39), cyan: paint(36, 39) };
}

export function openTerminal(stdout: Stream = process.stdout, stderr: Stream = process.stderr): Terminal {
  const err = styleFor(stderr);
  return {
    out: styleFor(stdout), err, width: stdout.columns ?? 80, isTerminal: stdout.isTTY === true,
    interactive: stdout.isTTY === true && process.stdin.isTTY === true,
    print: (text = '') => { stdout.write(`${text}\n`); },
    warn: (text) => { stderr.write(`${err.yellow('warning:')} ${text}\n`); },
  };
}

export function withoutColour(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\x1b\[[0-9;]*m/g, '');
}

/** Length on screen: without colour codes, wide characters (CJK, emoji) twice. */
export function visibleLength(text: string): number {
  let length = 0;
  for (const { segment } of segments.segment(withoutColour(text))) {
    length += /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u.test(segment) ? 2 : 1;
  }
  return length;
}

const segments = new Intl.Segmenter();

export interface StopRequest {
  /** Aborted at the first Ctrl-C (or SIGTERM): finish the step, save, and throw a STOPPED error. */
  signal: AbortSignal;
  /** Lets go of the signals. */
  release(): void;
}

/**
 * From now on the first Ctrl-C asks the work to stop, the second ends the process at once with status 130.
 * @param notice what to tell the user at the first one
 */
export function onInterrupt(notice = 'stopping: finishing this step and saving; press Ctrl-C again to stop at once'): StopRequest {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) {
      writeSync(2, '\nstopped at once; the last checkpoint stands\n');
      process.exit(130);
    }
    process.stderr.write(`\n${notice}\n`);
    controller.abort();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}
