// Cuts text at added tokens (<|im_start|>, <think>, ...) before anything else sees it: leftmost, then longest.
// Two passes, as in the library: tokens that match the raw text, then, inside what is left, tokens that match the
// normalised text. Flags: single_word needs a non-word character on both sides; lstrip and rstrip swallow spaces.

import type { AddedTokenJson } from './tokenizer-json.ts';

/** A stretch of ordinary text, or the id of an added token. */
export type Stretch = { readonly text: string } | { readonly id: number };

export type Splitter = (text: string) => Stretch[];

const wordCharacter = /[\p{L}\p{M}\p{N}_]/u;
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

function splitterOf(tokens: readonly AddedTokenJson[], text: (t: AddedTokenJson) => string): Splitter {
  const byText = new Map(tokens.filter((t) => text(t) !== '').map((t) => [text(t), t]));
  if (byText.size === 0) return (input) => (input === '' ? [] : [{ text: input }]);
  const contents = [...byText.keys()].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const pattern = new RegExp(contents.map(escaped).join('|'), 'gu');
  return (input) => {
    const out: Stretch[] = [];
    let done = 0;
    for (const match of input.matchAll(pattern)) {
      const token = byText.get(match[0])!;
      let start = match.index, end = start + match[0].length;
      if (start < done) continue;
      if (token.single_word && (wordCharacter.test(characterBefore(input, start)) || wordCharacter.test(characterAfter(input, end)))) continue;
      if (token.lstrip) start -= input.slice(done, start).length - input.slice(done, start).trimEnd().length;
      if (token.rstrip) end += input.slice(end).length - input.slice(end).trimStart().length;
      if (start > done) out.push({ text: input.slice(done, start) });
      out.push({ id: token.id });
      done = end;
    }
    if (done < input.length) out.push({ text: input.slice(done) });
    return out;
  };
}

const characterBefore = (text: string, at: number): string => /.$/su.exec(text.slice(Math.max(0, at - 2), at))?.[0] ?? '';
const characterAfter = (text: string, at: number): string => { const c = text.codePointAt(at); return c === undefined ? '' : String.fromCodePoint(c); };

/** A splitter for a tokenizer's added tokens; ordinary stretches come out normalised. */
export function addedTokenSplitter(tokens: readonly AddedTokenJson[], normalize: (text: string) => string): Splitter {
  const raw = splitterOf(tokens.filter((t) => !t.normalized), (t) => t.content);
  const normalized = splitterOf(tokens.filter((t) => t.normalized), (t) => normalize(t.content));
  return (input) => raw(input).flatMap((stretch) => ('id' in stretch ? [stretch] : normalized(normalize(stretch.text))));
}
