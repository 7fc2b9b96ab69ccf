// Renders chat templates (Jinja) as transformers' apply_chat_template does: the same names in scope (messages, tools,
// documents, add_generation_prompt, special tokens, raise_exception, strftime_now, any extra variable), trim_blocks and
// lstrip_blocks on. `{% generation %}` marks what the model wrote, so that training can mask everything else.
// Interpreter: @huggingface/jinja. Source of the environment: transformers utils/chat_template_utils.py, read.

import { randomUUID } from 'node:crypto';
import { Environment, parse, tokenize } from '@huggingface/jinja';
import { TiefsucheError } from '../errors.ts';
import { TemplateInterpreter } from './template-interpreter.ts';
import { strftime } from './strftime.ts';
import { tokenText, type TokenizerConfig } from './tokenizer-json.ts';

/** A message; templates may read any further field (tool_calls, reasoning_content, ...). */
export interface ChatMessage {
  readonly role: string;
  readonly content?: unknown;
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** End with the opening of the assistant's turn. */
  readonly addGenerationPrompt?: boolean;
  readonly tools?: readonly unknown[];
  readonly documents?: readonly unknown[];
  /** Further names for the template, such as enable_thinking. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** The time strftime_now speaks of; the clock unless given. */
  readonly now?: Date;
}

export interface MarkedText {
  readonly text: string;
  /** Half-open character ranges of `text` inside {% generation %} blocks. */
  readonly generated: readonly (readonly [number, number])[];
}

export interface ChatTemplate {
  readonly source: string;
  /** True if the template marks the model's own words. */
  readonly marksGeneration: boolean;
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
  renderMarked(messages: readonly ChatMessage[], options?: RenderOptions): MarkedText;
}

const generationTag = /\{%(-?)\s*(end)?generation\s*(-?)%\}(\n?)/g;
// What lstrip_blocks does: a block tag takes the blanks before it on its line along.
const indentedBlock = /^[ \t]*(\{[#%-])/gm;

/** Compiles a template. `variables` are in scope at every rendering: see `templateVariables`. */
export function compileChatTemplate(source: string, variables: Readonly<Record<string, unknown>> = {}): ChatTemplate {
  const marksGeneration = source.search(generationTag) >= 0;
  // A tag becomes an output of a mark. Block tags lose the blanks before and the newline after; outputs do not, so
  // both happen here (blanks for all blocks, as joined lines would hide the next block's).
  const marked = !marksGeneration ? source : source.replace(indentedBlock, '$1')
    .replace(generationTag, (_, left: string, end: string | undefined, right: string, newline: string) =>
      `{{${left} generation_${end ? 'end' : 'begin'}_mark ${right}}}${right ? newline : ''}`);
  let program: ReturnType<typeof parse>;
  try { program = parse(tokenize(marked, { lstrip_blocks: true, trim_blocks: true })); } catch (cause) {
    throw new TiefsucheError('FORMAT', `the chat template cannot be read: ${(cause as Error).message}`,
      { hint: 'Compare it with the template its model was published with.', cause });
  }
  const run = (messages: readonly ChatMessage[], options: RenderOptions, begin: string, end: string): string => {
    const environment = new Environment();
    const scope: Record<string, unknown> = {
      true: true, True: true, false: false, False: false, none: null, None: null, range,
      raise_exception: (message: unknown) => {
        throw new TiefsucheError('INPUT', `the model's chat template refuses this conversation: ${String(message)}`,
          { hint: 'Change the messages (roles, order, content) as the template asks.' });
      },
      strftime_now: (format: string) => strftime(options.now ?? new Date(), format),
      ...variables, ...options.variables,
      messages: messages.map(withReasoning), tools: options.tools ?? null, documents: options.documents ?? null,
      add_generation_prompt: options.addGenerationPrompt ?? false,
      generation_begin_mark: begin, generation_end_mark: end,
    };
    for (const name of Object.keys(scope)) if (scope[name] !== undefined) environment.set(name, scope[name]);
    try {
      return new TemplateInterpreter(environment).run(program).value as string;
    } catch (cause) {
      if (cause instanceof TiefsucheError) throw cause;
      throw new TiefsucheError('INPUT', `the chat template failed: ${(cause as Error).message}`,
        { hint: 'The messages may lack a field the template reads, or the template uses Jinja we do not have.', cause });
    }
  };
  return {
    source, marksGeneration,
    render: (messages, options = {}) => run(messages, options, '', ''),
    renderMarked(messages, options = {}) {
      // Marks nobody can have written into a message.
      const id = randomUUID(), begin = `\u0002${id}`, end = `\u0003${id}`;
      return unmark(run(messages, options, begin, end), begin, end);
    },
  };
}

/** A message's reasoning under both names that templates read, whichever of three it came under; as transformers does it. */
function withReasoning(message: ChatMessage): ChatMessage {
  const reasoning = [message['reasoning_content'], message['thinking'], message['reasoning']].find((r) => r !== undefined && r !== null);
  return reasoning === undefined ? message : { thinking: reasoning, ...message, reasoning_content: reasoning };
}

function unmark(rendered: string, begin: string, end: string): MarkedText {
  const generated: [number, number][] = [];
  let text = '', at = 0;
  for (;;) {
    const start = rendered.indexOf(begin, at);
    if (start < 0) return { text: text + rendered.slice(at), generated };
    text += rendered.slice(at, start);
    const stop = rendered.indexOf(end, start);
    const inside = rendered.slice(start + begin.length, stop < 0 ? undefined : stop);
    generated.push([text.length, text.length + inside.length]);
    text += inside;
    at = stop < 0 ? rendered.length : stop + end.length;
  }
}

// The limit of Jinja's sandbox, in which transformers renders.
const largestRange = 100_000;

function range(start: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, start] : [start, stop], out: number[] = [];
  if (!(step !== 0)) throw new Error('range() step must not be zero');
  if ((to - from) / step > largestRange) throw new Error(`range() of more than ${largestRange} numbers`);
  for (let i = from; step > 0 ? i < to : i > to; i += step) out.push(i);
  return out;
}

/** The special tokens of a tokenizer_config.json under the names templates know: bos_token, eos_token, sep_token, ... */
export function templateVariables(config: TokenizerConfig): Record<string, unknown> {
  const variables: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    const text = name.endsWith('_token') ? tokenText(value) : undefined;
    if (text !== undefined) variables[name] = text;
  }
  return variables;
}
