// SentencePiece BPE in a GGUF file ("llama": Gemma, Llama 2, Mistral) and as tokenizer.json's BPE with byte fallback, both ways.
// There a token has a score and neighbours are joined into the token of the highest score; here pairs have a rank. So
//   from GGUF: every way to cut a token into two others is a merge; merges are ranked by their token's score (as
//     transformers' converter does it);
//   to GGUF: a token's score is minus the rank of the first merge that makes it.
// A blank is U+2581, with one before the text where add_space_prefix says so. Source: llama.cpp src/llama-vocab.cpp
// (llm_tokenizer_spm) and transformers' convert_slow_tokenizer.py, read, not copied.

import type { BpeModelJson, StepJson, TokenizerJson } from '../../tokenizer/tokenizer-json.ts';
import { emptyVocab } from '../../tokenizer/tokenizer-json.ts';

const blank = '\u2581';
const bytePiece = /^<0x[0-9A-F]{2}>$/;
const replaceBlanks: StepJson = { type: 'Replace', pattern: { String: ' ' }, content: blank };

/** Steps of a tokenizer.json for such a vocabulary. */
export function sentencePieceSteps(prefix: boolean): Pick<TokenizerJson, 'normalizer' | 'pre_tokenizer' | 'decoder'> {
  return {
    normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: blank }, replaceBlanks] } : replaceBlanks,
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: blank }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(prefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : [])] },
  };
}

/** The model of a tokenizer.json from tokens and their scores; `joined` says which tokens are made of others. */
export function sentencePieceModel(tokens: readonly string[], scores: ArrayLike<number>, joined: (id: number) => boolean, unknown: string | undefined): BpeModelJson {
  const vocab = emptyVocab(), merges: { score: number; left: number; right: number; text: readonly [string, string] }[] = [];
  tokens.forEach((token, id) => { vocab[token] = id; });
  tokens.forEach((token, id) => {
    if (!joined(id) || bytePiece.test(token)) return;
    const characters = [...token];
    for (let cut = 1; cut < characters.length; cut++) {
      const left = characters.slice(0, cut).join(''), right = characters.slice(cut).join(''), a = vocab[left], b = vocab[right];
      if (a !== undefined && b !== undefined) merges.push({ score: scores[id]!, left: a, right: b, text: [left, right] });
    }
  });
  merges.sort((x, y) => y.score - x.score || x.left - y.left || x.right - y.right);
  return {
    type: 'BPE', dropout: null, unk_token: unknown ?? null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true,
    byte_fallback: true, ignore_merges: false, vocab, merges: merges.map((m) => m.text),
  };
}

/** Whether text gets a blank in front; null for a tokenizer that is none of this kind. */
export function sentencePiecePrefix({ model, normalizer, pre_tokenizer: pre }: TokenizerJson): boolean | null {
  // Text that has no blanks left is not cut at them: Gemma's tokenizer.json has such a step.
  const idle = pre === null || (pre.type === 'Split' && (pre['pattern'] as { String?: string } | undefined)?.String === ' ');
  if (model.byte_fallback !== true || !idle || normalizer === null) return null;
  const steps = normalizer.type === 'Sequence' ? normalizer['normalizers'] as readonly StepJson[] : [normalizer];
  const [first, second] = steps, replaces = (step: StepJson | undefined): boolean => step?.type === 'Replace' && (step['pattern'] as { String?: string } | undefined)?.String === ' ' && step['content'] === blank;
  if (steps.length === 1 && replaces(first)) return false;
  return steps.length === 2 && first!.type === 'Prepend' && first!['prepend'] === blank && replaces(second) ? true : null;
}

/** Scores of all ids: minus the rank at which a token is made, and nothing for those that are not made. */
export function sentencePieceScores(model: BpeModelJson, rows: number): number[] {
  const scores = new Array<number>(rows).fill(0);
  model.merges.forEach((merge, rank) => {
    const id = model.vocab[typeof merge === 'string' ? merge.replace(' ', '') : merge.join('')];
    if (id !== undefined && scores[id] === 0) scores[id] = -(rank + 1);
  });
  return scores;
}

export const isBytePiece = (token: string): boolean => bytePiece.test(token);
