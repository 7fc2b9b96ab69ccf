// What a command is: a name, words for --help, options, and `run`. One file per command in commands/, loaded only when
// it is called, so that `tiefsuche --help` stays quick however many there are.
import type { Terminal } from './terminal.ts';

export interface CommandOption {
  /** As commander writes them: `--steps <n>`, `--set <path=value...>`, `-q, --quiet`. */
  flags: string;
  text: string;
  /** Shown in --help. */
  fallback?: string | number | boolean;
  choices?: readonly string[];
  /** Turns the text into a value; throws a TiefsucheError when it cannot. See `wholeNumber` and `decimal`. */
  parse?: (text: string) => unknown;
}

export interface CommandArgument {
  /** `<name>` is required, `[name]` may be left out, `[names...]` takes several. */
  name: string;
  text: string;
  choices?: readonly string[];
}

export interface CommandContext {
  args: readonly (string | undefined)[];
  /** Values by option name in camelCase. */
  options: Readonly<Record<string, unknown>>;
  /** --json was given: print one JSON document on stdout and nothing else there. */
  json: boolean;
  terminal: Terminal;
}

export interface Command {
  name: string;
  /** One line for the list of commands. */
  summary: string;
  /** More for the command's own --help. */
  description?: string;
  arguments?: readonly CommandArgument[];
  options?: readonly CommandOption[];
  /** Whether it reports something, and so has --json. */
  reports?: boolean;
  examples: readonly { line: string; text: string }[];
  /** Returns the exit status, nothing means 0. */
  run(context: CommandContext): Promise<number | void> | number | void;
}

/** A line in commands/index.ts: what the list of commands shows, and where the rest is. */
export interface CommandEntry {
  name: string;
  summary: string;
  load: () => Promise<Command>;
}
