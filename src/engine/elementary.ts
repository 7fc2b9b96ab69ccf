// exp, log, pow, sin and cos in double precision from + − × ÷ alone, which IEEE 754 fixes to the bit.
// Math.exp and its kin may differ between machines and Node versions; tables that enter exact mode must not.

const ln2High = 6.93147180369123816490e-1;
const ln2Low = 1.90821492927058770002e-10;

/** 2^k for integers −1022 … 1023, by squaring. */
function powerOfTwo(k: number): number {
  let result = 1, base = k < 0 ? 0.5 : 2;
  for (let n = Math.abs(k); n > 0; n = Math.floor(n / 2)) { if (n % 2 === 1) result *= base; base *= base; }
  return result;
}

/** e^x for |x| < 700: x = k ln 2 + r, Taylor series of r in |r| ≤ 0.35 to beyond double precision. */
export function exp(x: number): number {
  const k = Math.round(x / (ln2High + ln2Low));
  const r = x - k * ln2High - k * ln2Low;
  let sum = 1;
  for (let n = 20; n >= 1; n--) sum = 1 + (r * sum) / n;
  return sum * powerOfTwo(k);
}

/** ln x for x > 0: x = 2^k m with m in [√½, √2), then 2 artanh((m − 1)/(m + 1)). */
export function log(x: number): number {
  let k = 0, m = x;
  while (m >= Math.SQRT2) { m /= 2; k++; }
  while (m < Math.SQRT1_2) { m *= 2; k--; }
  const s = (m - 1) / (m + 1);
  let sum = 0;
  for (let n = 25; n >= 0; n--) sum = 1 / (2 * n + 1) + s * s * sum;
  return k * ln2High + (k * ln2Low + 2 * s * sum);
}

/** x^y for x > 0. */
export const pow = (x: number, y: number): number => exp(y * log(x));

const halfPi = [1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21] as const;

/** Cosine and sine of x ≥ 0 up to about 10⁶: reduction by π/2 in three parts, then Taylor series in |r| ≤ π/4. */
export function cosSin(x: number): [cos: number, sin: number] {
  const quadrant = Math.round(x / halfPi[0]);
  const r = x - quadrant * halfPi[0] - quadrant * halfPi[1] - quadrant * halfPi[2];
  let c = 1, s = 1;
  for (let n = 20; n >= 2; n -= 2) {
    c = 1 - (r * r * c) / (n * (n - 1));
    s = 1 - (r * r * s) / (n * (n + 1));
  }
  s *= r;
  switch (((quadrant % 4) + 4) % 4) {
    case 0: return [c, s];
    case 1: return [-s, c];
    case 2: return [-c, -s];
    default: return [s, -c];
  }
}
