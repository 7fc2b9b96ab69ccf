// Watts drawn per busy logical processor: the vendor's rated power of a model divided by its threads. A rough number by
// nature: rated power is an upper level under full load, and a single busy thread draws more than its share.
// Rated powers and thread counts are the vendors' published specifications.

export interface WattsPerThread { watts: number; source: string }

/** First match wins. `watts` is the rated package power, `threads` the logical processors of that model. */
const models: readonly { pattern: RegExp; what: string; watts: number; threads: number }[] = [
  { pattern: /EPYC 7763/, what: 'EPYC 7763', watts: 280, threads: 128 },
  { pattern: /EPYC 7[0-9]{2}3/, what: 'EPYC Milan (7713 as its type)', watts: 225, threads: 128 },
  { pattern: /EPYC 7[0-9]{2}2/, what: 'EPYC Rome (7702 as its type)', watts: 200, threads: 128 },
  { pattern: /EPYC 9[0-9]{2}4/, what: 'EPYC Genoa (9654 as its type)', watts: 360, threads: 192 },
  { pattern: /EPYC 9[0-9]{2}5/, what: 'EPYC Turin (9655 as its type)', watts: 400, threads: 192 },
  { pattern: /Xeon.* Platinum 84/, what: 'Xeon Platinum 8480+', watts: 350, threads: 112 },
  { pattern: /Xeon.* Platinum 83/, what: 'Xeon Platinum 8380', watts: 270, threads: 80 },
  { pattern: /Xeon.* Platinum 8[12]/, what: 'Xeon Platinum 8280', watts: 205, threads: 56 },
  { pattern: /Ryzen 9 (5950X|7950X|9950X)/, what: 'Ryzen 9, 16 cores', watts: 142, threads: 32 },
  { pattern: /Ryzen 7 (5800X|7700X|9700X)/, what: 'Ryzen 7, 8 cores', watts: 105, threads: 16 },
  { pattern: /Ryzen .*(U|HS)\b/, what: 'Ryzen for notebooks', watts: 28, threads: 16 },
  { pattern: /i9-1[234]900K/, what: 'Core i9, unlocked', watts: 253, threads: 32 },
  { pattern: /i7-1[234]700K/, what: 'Core i7, unlocked', watts: 253, threads: 28 },
  { pattern: /i[3579]-1\d{3,4}[UPG]/, what: 'Core for notebooks', watts: 28, threads: 12 },
  { pattern: /Apple M\d (Max|Ultra)/, what: 'Apple M, Max', watts: 60, threads: 12 },
  { pattern: /Apple M\d/, what: 'Apple M', watts: 22, threads: 8 },
  { pattern: /Neoverse|Graviton/, what: 'Neoverse server', watts: 250, threads: 80 },
];

const unknown: WattsPerThread = { watts: 4, source: 'unknown model: 4 W per busy logical processor is assumed' };

/** @param cpu the model name as the system gives it */
export function wattsPerThread(cpu: string): WattsPerThread {
  const found = models.find(({ pattern }) => pattern.test(cpu));
  if (!found) return unknown;
  const watts = Math.round((found.watts / found.threads) * 100) / 100;
  return { watts, source: `${found.what}: ${found.watts} W rated over ${found.threads} threads` };
}
