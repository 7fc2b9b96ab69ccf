// Ids that a tokenizer puts before and after a text when special tokens are asked for (BOS, EOS, [CLS], ...).
// Read from the post_processor of tokenizer.json; explicit add_bos_token / add_eos_token of tokenizer_config.json win,
// as they do in transformers.

import { TiefsucheError } from '../errors.ts';
import { tokenText, type StepJson, type TokenizerConfig, type TokenizerJson } from './tokenizer-json.ts';

export interface Frame { readonly before: readonly number[]; readonly after: readonly number[] }

const nothing: Frame = { before: [], after: [] };

/** What stands around a single text. */
export function frameOf(json: TokenizerJson, config: TokenizerConfig, idOf: (token: string) => number | undefined): Frame {
  let { before, after } = json.post_processor ? ofStep(json.post_processor) : nothing;
  const bos = idOfToken(config['bos_token'], idOf), eos = idOfToken(config['eos_token'], idOf);
  if (bos !== undefined && config['add_bos_token'] === true && before[0] !== bos) before = [bos, ...before];
  if (bos !== undefined && config['add_bos_token'] === false) before = before.filter((id) => id !== bos);
  if (eos !== undefined && config['add_eos_token'] === true && after.at(-1) !== eos) after = [...after, eos];
  if (eos !== undefined && config['add_eos_token'] === false) after = after.filter((id) => id !== eos);
  return { before, after };
}

function idOfToken(value: unknown, idOf: (token: string) => number | undefined): number | undefined {
  const text = tokenText(value);
  return text === undefined ? undefined : idOf(text);
}

interface TemplateJson {
  readonly single: readonly ({ readonly SpecialToken: { readonly id: string } } | { readonly Sequence: unknown })[];
  readonly special_tokens: Readonly<Record<string, { readonly ids: readonly number[] }>>;
}

function ofStep(step: StepJson): Frame {
  switch (step.type) {
    case 'ByteLevel': return nothing;
    case 'Sequence': {
      const inner = (step['processors'] as readonly StepJson[]).map(ofStep);
      return { before: inner.flatMap((f) => f.before), after: inner.flatMap((f) => f.after) };
    }
    case 'TemplateProcessing': {
      const { single, special_tokens } = step as unknown as TemplateJson, before: number[] = [], after: number[] = [];
      let side = before;
      for (const piece of single) {
        if ('Sequence' in piece) side = after;
        else side.push(...(special_tokens[piece.SpecialToken.id]?.ids ?? []));
      }
      return { before, after };
    }
    case 'BertProcessing': case 'RobertaProcessing':
      return { before: [(step['cls'] as [string, number])[1]], after: [(step['sep'] as [string, number])[1]] };
    default:
      throw new TiefsucheError('UNSUPPORTED', `the tokenizer has a post-processor of type ${step.type}`,
        { hint: 'ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing and Sequence are supported.' });
  }
}
