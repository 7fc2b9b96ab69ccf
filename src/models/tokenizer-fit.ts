// A tokenizer beside an embedding. Rows without a token are padding. Tokens without a row would read foreign memory: a
// vocabulary with such tokens belongs to another model, and is refused; added tokens beyond the rows (Gemma 3's mark for
// images in the models without images) are left in place, and texts that use them are refused.

import { TiefsucheError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

/** The tokenizer, with its ids kept within `rows`. */
export function fitTokenizer(tokenizer: Tokenizer, rows: number): Tokenizer {
  if (tokenizer.vocabSize <= rows) return tokenizer;
  const added = new Set((tokenizer.json.added_tokens ?? []).map((t) => t.id));
  for (let id = rows; id < tokenizer.vocabSize; id++) {
    if (tokenizer.idToToken(id) === undefined || added.has(id)) continue;
    throw new TiefsucheError('SHAPE', `the tokenizer has tokens up to id ${tokenizer.vocabSize - 1}, the embedding has ${rows} rows`, { hint: 'The tokenizer belongs to another model: take tokenizer.json from where the weights come from.' });
  }
  const within = (ids: Int32Array): Int32Array => {
    const beyond = ids.find((id) => id >= rows);
    if (beyond === undefined) return ids;
    throw new TiefsucheError('INPUT', `the text uses ${JSON.stringify(tokenizer.idToToken(beyond))}, for which this model has no embedding`, { hint: 'Leave it out; it belongs to a larger model of the family.' });
  };
  return { ...tokenizer, encode: (text, options) => within(tokenizer.encode(text, options)), encodeBatch: async (texts, options) => (await tokenizer.encodeBatch(texts, options)).map(within) };
}
