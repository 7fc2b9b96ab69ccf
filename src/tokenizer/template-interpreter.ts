// The template interpreter, with an end and with three things of Jinja2 that the library lacks. A template comes from a
// stranger, and one that loops for ever must not hang a server: steps are counted, not seconds, so that the same template
// is refused on every machine. Of Jinja2: filters of what is undefined or none (trim gives "", length 0, selectattr
// nothing), and mappings as text, in Python's spelling.

import { Interpreter } from '@huggingface/jinja';
import { TiefsucheError } from '../errors.ts';

/** Published templates take a few hundred steps a message: this is 10,000 messages at least. */
const mostSteps = 3_000_000;
/** Characters of one value: texts can also grow by doubling. */
const longestText = 1 << 26;

interface Evaluated { readonly type?: string; readonly value?: unknown }
interface Filter { readonly type: string; readonly value?: string; readonly callee?: { readonly value?: string } }

/** What these filters make of nothing. */
const ofNothing: Readonly<Record<string, object>> = {
  trim: { type: 'StringLiteral', value: '' }, string: { type: 'StringLiteral', value: '' }, lower: { type: 'StringLiteral', value: '' }, upper: { type: 'StringLiteral', value: '' },
  length: { type: 'IntegerLiteral', value: 0 },
};
const emptyList = { type: 'ArrayLiteral', value: [] };

// The package's types do not resolve under Node's rules: what is used of it is said here.
const Base = Interpreter as unknown as new (environment: unknown) => {
  run(program: unknown): Evaluated;
  evaluate(statement: unknown, environment: unknown): Evaluated | undefined;
  evaluateBlock(statements: unknown, environment: unknown): Evaluated;
  applyFilter(operand: Evaluated, filter: Filter, environment: unknown): Evaluated;
};

export class TemplateInterpreter extends Base {
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

  override applyFilter(operand: Evaluated, filter: Filter, environment: unknown): Evaluated {
    const name = filter.value ?? filter.callee?.value ?? '', nothing = operand.type === 'UndefinedValue' && Object.hasOwn(ofNothing, name) ? ofNothing[name]
      : (operand.type === 'UndefinedValue' || operand.type === 'NullValue') && /^(select|reject)(attr)?$/.test(name) ? emptyList : undefined;
    if (nothing) return this.evaluate(nothing, environment)!;
    if (name === 'string' && operand.type === 'ObjectValue') return this.evaluate({ type: 'StringLiteral', value: pythonText(operand) }, environment)!;
    return super.applyFilter(operand, filter, environment);
  }

  private step(weight = 1): void {
    if ((this.steps += weight) > mostSteps) throw endless(`it took more than ${mostSteps} steps`);
  }
}

/** repr() of JSON-like values. */
function pythonText({ type, value }: Evaluated): string {
  switch (type) {
    case 'StringValue': return quotedText(value as string);
    case 'BooleanValue': return value ? 'True' : 'False';
    case 'NullValue': return 'None';
    case 'ArrayValue': return `[${(value as Evaluated[]).map(pythonText).join(', ')}]`;
    case 'ObjectValue': return `{${[...(value as Map<string, Evaluated>)].map(([k, v]) => `${quotedText(k)}: ${pythonText(v)}`).join(', ')}}`;
    default: return String(value);
  }
}

const quotedText = (text: string): string => {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  return quote + text.replace(/[\\\n\r\t]/g, (c) => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c]!).replaceAll(quote, `\\${quote}`) + quote;
};

const endless = (what: string): TiefsucheError =>
  new TiefsucheError('INPUT', `the chat template does not come to an end: ${what}`, { hint: 'Compare it with the template its model was published with.' });
