// Wilson score interval of a proportion (Wilson 1927), 95 % by default.

export function wilson(successes: number, n: number, z = 1.959964): [low: number, high: number] {
  if (n === 0) return [0, 1];
  const p = successes / n, d = 1 + (z * z) / n;
  const centre = (p + (z * z) / (2 * n)) / d, half = (z / d) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
