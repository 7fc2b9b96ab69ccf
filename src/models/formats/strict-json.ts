// JSON for headers that come from strangers. JSON.parse keeps the last of two equal keys, so two programs can see two
// different models in one file; this parser refuses duplicate keys, deep nesting, numbers a double cannot hold, and
// more values than any real header has, as each costs many times its length in memory. A key "__proto__" is a key.

export type StrictJson = null | boolean | number | string | StrictJson[] | { [key: string]: StrictJson };

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

// The largest models have some 100,000 tensors in all their files; a tensor takes eight values.
const mostValues = 1_500_000;

/** Parses JSON text; throws SyntaxError with the position of the fault. Read its objects by own keys only. */
export function parseStrictJson(text: string, maxDepth = 8): StrictJson {
  let at = 0, values = 0;
  const fail = (what: string): never => { throw new SyntaxError(`${what} at character ${at} of the JSON text`); };
  const skipSpace = (): void => {
    for (let c = text.charCodeAt(at); c === 32 || c === 10 || c === 13 || c === 9; c = text.charCodeAt(++at));
  };
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const string = (): string => {
    if (text[at] !== '"') fail('a string is expected');
    const start = at++;
    let escaped = false;
    // A loop, not a pattern: patterns keep a backtracking stack, and a header can hold strings of megabytes.
    for (let c = text.charCodeAt(at); c !== 34; c = text.charCodeAt(++at)) {
      if (!(c >= 32)) fail(at < text.length ? 'a control character in a string' : 'a string without an end');
      if (c === 92) { escaped = true; at++; }
    }
    at++;
    if (!escaped) return text.slice(start + 1, at - 1);
    try { return JSON.parse(text.slice(start, at)) as string; } catch { at = start; return fail('a wrong escape'); }
  };
  const separator = (close: string): boolean => {
    skipSpace();
    const c = text[at];
    if (c !== ',' && c !== close) fail(`"," or "${close}" is expected`);
    at++;
    return c === ',';
  };
  const value = (depth: number): StrictJson => {
    if (++values > mostValues) fail(`more than ${mostValues} values`);
    skipSpace();
    const c = text[at];
    if ((c === '{' || c === '[') && depth >= maxDepth) fail(`nesting deeper than ${maxDepth}`);
    if (c === '{') {
      const object: { [key: string]: StrictJson } = {};
      at++;
      skipSpace();
      if (text[at] === '}') { at++; return object; }
      do {
        skipSpace();
        const key = string();
        if (Object.hasOwn(object, key)) fail(`the key ${JSON.stringify(key.slice(0, 80))} stands twice`);
        skipSpace();
        if (text[at] !== ':') fail('":" is expected');
        at++;
        const held = value(depth + 1);
        if (key === '__proto__') Object.defineProperty(object, key, { value: held, enumerable: true, configurable: true, writable: true });
        else object[key] = held;
      } while (separator('}'));
      return object;
    }
    if (c === '[') {
      const array: StrictJson[] = [];
      at++;
      skipSpace();
      if (text[at] === ']') { at++; return array; }
      do array.push(value(depth + 1)); while (separator(']'));
      return array;
    }
    if (c === '"') return string();
    for (const [word, meaning] of [['true', true], ['false', false], ['null', null]] as const) {
      if (text.startsWith(word, at)) { at += word.length; return meaning; }
    }
    const start = at, number = Number(match(numberPattern) ?? fail('a value is expected'));
    if (!Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number))) {
      at = start;
      fail('a number too large');
    }
    return number;
  };
  const result = value(0);
  skipSpace();
  if (at !== text.length) fail('text after the end');
  return result;
}
