// Numbers in bounds, as languages of their digits. Integers: [a, b] is split at powers of ten and common beginnings.
// Decimals: the whole part decides, and where it equals a bound's, the digits behind the point are compared with the
// bound's one by one. Exponents are written only where there are no bounds. So that a number ends, whole parts have at
// most 15 digits and fractions at most 16.

import type { Expression, Language } from './expression.ts';

const mostDigits = 15, mostFraction = 16, largest = 10 ** mostDigits - 1;

const digit = (l: Language, from = 0, to = 9): Expression => (from > to ? l.nothing : l.bytes([48 + from, 48 + to]));
const digits = (l: Language, least: number, most: number): Expression => l.repeat(digit(l), least, most);

/** Digit strings of one length between two of that length. */
function between(l: Language, a: string, b: string): Expression {
  if (/^0*$/.test(a) && /^9*$/.test(b)) return digits(l, a.length, a.length);
  const [x, y] = [Number(a[0]), Number(b[0])], rest = a.length - 1;
  if (x === y) return l.sequence(digit(l, x, x), between(l, a.slice(1), b.slice(1)));
  return l.choice(
    l.sequence(digit(l, x, x), between(l, a.slice(1), '9'.repeat(rest))),
    l.sequence(digit(l, x + 1, y - 1), digits(l, rest, rest)),
    l.sequence(digit(l, y, y), between(l, '0'.repeat(rest), b.slice(1))),
  );
}

/** Whole numbers from `a` ≥ 0 to `b`, without leading zeros. */
function wholes(l: Language, a: number, b: number): Expression {
  const parts: Expression[] = [];
  for (let n = 1; n <= mostDigits; n++) {
    const low = Math.max(a, n === 1 ? 0 : 10 ** (n - 1)), high = Math.min(b, 10 ** n - 1);
    if (low <= high) parts.push(between(l, String(low), String(high)));
  }
  return l.choice(...parts);
}

export function integers(l: Language, least: number, most: number): Expression {
  const low = Math.ceil(Math.max(least, -largest)), high = Math.floor(Math.min(most, largest));
  const minus = low < 0 ? l.sequence(l.text('-'), wholes(l, Math.max(1, -high), -low)) : l.nothing;
  return l.choice(minus, high >= 0 ? wholes(l, Math.max(0, low), high) : l.nothing);
}

/** A bound taken apart: 12.05 → whole 12, fraction "05". */
interface Bound { readonly whole: number; readonly fraction: string; readonly open: boolean }

function bound(value: number, open: boolean): Bound {
  const [whole, fraction = ''] = plainDecimal(value).split('.');
  return { whole: Number(whole), fraction, open };
}

/** Without an exponent. */
function plainDecimal(value: number): string {
  const text = String(value), [, head, sign, size] = /^([\d.]+)e([+-])(\d+)$/.exec(text) ?? [];
  if (head === undefined) return text;
  const [whole, fraction = ''] = head.split('.'), n = Number(size);
  if (sign === '-') return `0.${'0'.repeat(n - 1)}${whole}${fraction}`;
  return whole + fraction.padEnd(n, '0').slice(0, n);
}

/** Fractions (with their point, or none) that are at least, or more than, `.fraction`. */
function fractionFrom(l: Language, { fraction, open }: Bound): Expression {
  const significant = fraction.replace(/0+$/, '');
  const from = (at: number): Expression => { // the digits so far are equal
    if (at === significant.length) { const more = mostFraction - at; return open ? l.sequence(digits(l, 0, more - 1), digit(l, 1, 9), l.optional(digit(l))) : digits(l, at === 0 ? 1 : 0, more); }
    const d = Number(significant[at]), room = mostFraction - at - 1;
    return l.choice(l.sequence(digit(l, d + 1, 9), digits(l, 0, room)), l.sequence(digit(l, d, d), from(at + 1)));
  };
  return l.choice(l.sequence(l.text('.'), from(0)), significant === '' && !open ? l.empty : l.nothing);
}

/** Fractions that are at most, or less than, `.fraction`. */
function fractionTo(l: Language, { fraction, open }: Bound): Expression {
  const significant = fraction.replace(/0+$/, '');
  const to = (at: number): Expression => {
    if (at === significant.length) return open ? l.nothing : l.repeat(digit(l, 0, 0), at === 0 ? 1 : 0, 3);
    const d = Number(significant[at]), room = mostFraction - at - 1, ended = at > 0 ? l.empty : l.nothing;
    return l.choice(l.sequence(digit(l, 0, d - 1), digits(l, 0, room)), l.sequence(digit(l, d, d), to(at + 1)), ended);
  };
  return l.choice(l.sequence(l.text('.'), to(0)), significant !== '' || !open ? l.empty : l.nothing);
}

const anyFraction = (l: Language): Expression => l.optional(l.sequence(l.text('.'), digits(l, 1, mostFraction)));

/** Decimals from `low` ≥ 0 to `high` without a sign. */
function magnitudes(l: Language, low: Bound, high: Bound | null): Expression {
  const top = high?.whole ?? largest, parts: Expression[] = [];
  const whole = (a: number, b: number): Expression => (a <= b ? wholes(l, a, Math.min(b, largest)) : l.nothing);
  if (high && low.whole === high.whole) return l.sequence(whole(low.whole, low.whole), bothFractions(l, low, high));
  parts.push(l.sequence(whole(low.whole, low.whole), fractionFrom(l, low)));
  parts.push(l.sequence(whole(low.whole + 1, high ? top - 1 : top), anyFraction(l)));
  if (high) parts.push(l.sequence(whole(top, top), fractionTo(l, high)));
  return l.choice(...parts);
}

/** Both bounds share the whole part: common digits, then one digit that decides, then one bound at most. */
function bothFractions(l: Language, low: Bound, high: Bound): Expression {
  const width = Math.max(low.fraction.length, high.fraction.length), a = low.fraction.padEnd(width, '0'), b = high.fraction.padEnd(width, '0');
  if (a > b || (a === b && (low.open || high.open))) return l.nothing;
  const strict = (open: boolean, what: Expression): Expression => (open ? l.nothing : what);
  const zeros = (n: number): Expression => l.repeat(digit(l, 0, 0), 0, n);
  const walk = (at: number, onLow: boolean, onHigh: boolean): Expression => {
    if (!onLow && !onHigh) return digits(l, 0, mostFraction - at);
    if (at === width) {
      if (onLow && onHigh) return zeros(2);
      if (onLow) return low.open ? l.sequence(digits(l, 0, mostFraction - at - 1), digit(l, 1, 9)) : digits(l, 0, mostFraction - at);
      return strict(high.open, zeros(2));
    }
    const [x, y] = [onLow ? Number(a[at]) : 0, onHigh ? Number(b[at]) : 9], parts: Expression[] = [];
    // Ending here means zeros from here on.
    const lowHolds = !onLow || (/^0*$/.test(a.slice(at)) && !low.open), highHolds = !onHigh || /[1-9]/.test(b.slice(at)) || !high.open;
    if (at > 0 && lowHolds && highHolds) parts.push(l.empty);
    for (let d = x; d <= y; d++) parts.push(l.sequence(digit(l, d, d), walk(at + 1, onLow && d === x, onHigh && d === y)));
    return l.choice(...parts);
  };
  const bare = /^0*$/.test(a) && !low.open && (/[1-9]/.test(b) || !high.open) ? l.empty : l.nothing;
  return l.choice(bare, l.sequence(l.text('.'), width === 0 ? l.repeat(digit(l, 0, 0), 1, 2) : walk(0, true, true)));
}

export interface Bounds { readonly least: number; readonly most: number; readonly leastOpen: boolean; readonly mostOpen: boolean }

export function decimals(l: Language, { least, most, leastOpen, mostOpen }: Bounds): Expression {
  const whole = l.choice(l.text('0'), l.sequence(digit(l, 1, 9), digits(l, 0, mostDigits - 1)));
  if (least === -Infinity && most === Infinity) {
    const exponent = l.sequence(l.bytes([69, 69], [101, 101]), l.optional(l.bytes([43, 43], [45, 45])), digits(l, 1, 2));
    return l.sequence(l.optional(l.text('-')), whole, anyFraction(l), l.optional(exponent));
  }
  const zero: Bound = { whole: 0, fraction: '', open: false }, parts: Expression[] = [];
  if (most > 0 || (most === 0 && !mostOpen)) parts.push(magnitudes(l, least > 0 || (least === 0 && leastOpen) ? bound(least, leastOpen) : zero, most === Infinity ? null : bound(most, mostOpen)));
  // −x with x from −most to −least; −0 is left to the positive side.
  if (least < 0) parts.push(l.sequence(l.text('-'), magnitudes(l, most < 0 ? bound(-most, mostOpen) : { ...zero, open: true }, least === -Infinity ? null : bound(-least, leastOpen))));
  return l.choice(...parts);
}
