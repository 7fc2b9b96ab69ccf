// The template interpreter with an end: a template comes from a stranger, and one that loops for ever must not hang a
// server. Steps are counted, not seconds, so that the same template is refused on every machine.

import { Interpreter } from '@huggingface/jinja';
import { TiefsucheError } from '../errors.ts';

/** Published templates take a few hundred steps a message: this is 10,000 messages at least. */
const mostSteps = 3_000_000;
/** Characters of one value: texts can also grow by doubling. */
const longestText = 1 << 26;

interface Evaluated { readonly value?: unknown }

// The package's types do not resolve under Node's rules: what is used of it is said here.
const Base = Interpreter as unknown as new (environment: unknown) => {
  run(program: unknown): Evaluated;
  evaluate(statement: unknown, environment: unknown): Evaluated | undefined;
  evaluateBlock(statements: unknown, environment: unknown): Evaluated;
};

export class BoundedInterpreter extends Base {
  private steps = 0;

  override evaluate(statement: unknown, environment: unknown): Evaluated | undefined {
    this.step();
    const result = super.evaluate(statement, environment), value = result?.value;
    if (typeof value === 'string' && value.length > longestText) throw endless(`a text in it grew beyond ${longestText} characters`);
    return result;
  }

  /** Every turn of a loop comes here, even an empty one; it costs as much as ten other steps. */
  override evaluateBlock(statements: unknown, environment: unknown): Evaluated {
    this.step(10);
    return super.evaluateBlock(statements, environment);
  }

  private step(weight = 1): void {
    if ((this.steps += weight) > mostSteps) throw endless(`it took more than ${mostSteps} steps`);
  }
}

const endless = (what: string): TiefsucheError =>
  new TiefsucheError('INPUT', `the chat template does not come to an end: ${what}`, { hint: 'Compare it with the template its model was published with.' });
