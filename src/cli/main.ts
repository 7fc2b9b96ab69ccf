// `tiefsuche`: finds the command, loads its file, runs it. Errors leave as one message on stderr (what and why, what to
// do, the code) and an exit status: 0 done, 1 failed, 2 bad usage or input, 3 no memory or disk, 4 numbers went bad,
// 130 stopped by the user. With --json an error is one JSON line on stderr.
import { CommanderError, Command as Parser, Option, Argument } from 'commander';
import { readFileSync } from 'node:fs';
import { TiefsucheError, isTiefsucheError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { Command } from './command.ts';
import { commands } from './commands/index.ts';
import { errorJson, errorText } from './error-words.ts';
import { openTerminal, styleFor, type Terminal } from './terminal.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  // `tiefsuche runs | head` closes the pipe early: that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const terminal = openTerminal();
  const json = argv.includes('--json');
  try {
    return await dispatch(argv, terminal, json);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const told = error instanceof CommanderError ? usageError(error) : error;
    process.stderr.write(`${json ? errorJson(told) : errorText(told, styleFor(process.stderr))}\n`);
    return isTiefsucheError(told) ? told.exit : 1;
  }
}

async function dispatch(argv: readonly string[], terminal: Terminal, json: boolean): Promise<number> {
  const named = argv.find((arg) => !arg.startsWith('-'));
  const called = named === 'help' ? argv.filter((arg) => !arg.startsWith('-'))[1] : named;
  const entry = commands.find((c) => c.name === called);
  if (called !== undefined && !entry) {
    const near = nearest(called, commands.map((c) => c.name));
    throw new TiefsucheError('USAGE', `there is no command "${called}"`,
      { hint: near === undefined ? '`tiefsuche --help` lists the commands' : `did you mean \`tiefsuche ${near}\`?` });
  }
  let status = 0;
  const program = rootParser();
  for (const { name, summary } of commands) {
    if (name !== called) program.command(name, { hidden: false }).summary(summary).description(summary);
  }
  if (entry) {
    addCommand(program, await entry.load(), async (command, args, options) => {
      status = (await command.run({ args, options, json, terminal })) ?? 0;
    });
  }
  if (argv.length === 0) {
    program.outputHelp();
    return 0;
  }
  await program.parseAsync([...argv], { from: 'user' });
  return status;
}

function rootParser(): Parser {
  const bold = styleFor(process.stdout).bold;
  const program = new Parser('tiefsuche')
    .description('Train a small reasoning model on this machine, watch it learn to think, and know what it cost.')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'explain the program or a command')
    .helpCommand('help [command]', 'explain a command')
    .exitOverride()
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .configureHelp({ styleTitle: bold, subcommandTerm: (c) => c.name(), showGlobalOptions: false })
    .showSuggestionAfterError(true);
  program.addHelpText('after', `
${bold('State:')}
  $TIEFSUCHE_HOME (now ${process.env.TIEFSUCHE_HOME ?? '~/.tiefsuche'}) holds models, runs, chats and the ledger.
  Nothing uses the network unless a command's name says so.`);
  return program;
}

type Action = (command: Command, args: (string | undefined)[], options: Record<string, unknown>) => Promise<void>;

function addCommand(program: Parser, command: Command, action: Action): void {
  const bold = styleFor(process.stdout).bold;
  const parser = program.command(command.name).summary(command.summary).description(command.description?.replace(/\n(?!\n)/g, ' ') ?? `${command.summary}.`) // commander breaks the lines;
  for (const { name, text, choices } of command.arguments ?? []) {
    const argument = new Argument(name, text);
    parser.addArgument(choices ? argument.choices(choices) : argument);
  }
  for (const { flags, text, fallback, choices, parse } of command.options ?? []) {
    const option = new Option(flags, text);
    if (choices) option.choices(choices);
    if (parse) option.argParser(parse);
    if (fallback !== undefined) option.default(fallback);
    parser.addOption(option);
  }
  if (command.reports) parser.option('--json', 'print JSON for programs instead of text for people');
  if (command.examples.length > 0) {
    const width = Math.max(...command.examples.map((e) => e.line.length));
    parser.addHelpText('after', `\n${bold('Examples:')}\n${command.examples.map((e) => `  ${e.line.padEnd(width)}  ${styleFor(process.stdout).dim(e.text)}`).join('\n')}`);
  }
  parser.action(async (...given: unknown[]) => {
    await action(command, given.slice(0, -2) as (string | undefined)[], given.at(-2) as Record<string, unknown>);
  });
}

// commander: "error: unknown option '--jsn'\n(Did you mean --json?)"
function usageError(error: CommanderError): TiefsucheError {
  const [what, advice] = error.message.replace(/^error: /, '')
    .replace(/^command-argument value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)\.$/s, '"$1" is not a known $2\n(Expected $3)')
    .replace(/^option '(.*)' argument '(.*)' is invalid\. Allowed choices are (.*)\.$/s, '$1: "$2" is not a choice\n(Expected $3)').split('\n');
  return new TiefsucheError('USAGE', what!, { hint: advice?.replace(/^\((.*)\)$/, (_, text: string) => text[0]!.toLowerCase() + text.slice(1)) ?? 'add --help to see how the command is used' });
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
