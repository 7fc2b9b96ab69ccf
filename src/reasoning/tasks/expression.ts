// Value of an arithmetic expression with + - * / and brackets, exact: fractions of BigInts, a small recursive parser,
// never eval. Anything else in the text makes it undefined, as does a division by zero.
//   sum = product { (+|-) product }     product = atom { (*|/) atom }     atom = digits | ( sum )

export interface Fraction { readonly numerator: bigint; readonly denominator: bigint }
export interface Evaluated {
  readonly value: Fraction;
  /** The numbers written in it, in order. */
  readonly numbers: readonly number[];
}

const longest = 200;

export function evaluate(text: string): Evaluated | undefined {
  if (text.length > longest || !/^[\d+\-*/() ]*$/.test(text)) return undefined;
  const tokens = text.match(/\d+|[^\d ]/g) ?? [];
  const numbers: number[] = [];
  let at = 0;

  const sum = (): Fraction | undefined => {
    let left = product();
    while (left && (tokens[at] === '+' || tokens[at] === '-')) {
      const sign = tokens[at++] === '+' ? 1n : -1n;
      const right = product();
      left = right && {
        numerator: left.numerator * right.denominator + sign * right.numerator * left.denominator,
        denominator: left.denominator * right.denominator,
      };
    }
    return left;
  };
  const product = (): Fraction | undefined => {
    let left = atom();
    while (left && (tokens[at] === '*' || tokens[at] === '/')) {
      const divide = tokens[at++] === '/';
      const right = atom();
      if (!right || (divide && right.numerator === 0n)) return undefined;
      left = divide
        ? { numerator: left.numerator * right.denominator, denominator: left.denominator * right.numerator }
        : { numerator: left.numerator * right.numerator, denominator: left.denominator * right.denominator };
    }
    return left;
  };
  const atom = (): Fraction | undefined => {
    const token = tokens[at++];
    if (token === '(') {
      const inner = sum();
      return tokens[at++] === ')' ? inner : undefined;
    }
    if (token === undefined || !/^\d/.test(token)) return undefined;
    numbers.push(Number(token));
    return { numerator: BigInt(token), denominator: 1n };
  };

  const value = sum();
  return value && at === tokens.length ? { value, numbers } : undefined;
}

/** Whether a fraction is this whole number. */
export function equals({ numerator, denominator }: Fraction, whole: number): boolean {
  return numerator === BigInt(whole) * denominator;
}
