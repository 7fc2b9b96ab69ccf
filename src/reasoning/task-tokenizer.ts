// A tokenizer for models that are born on the tasks: single characters, and the tasks' words and phrases as added tokens,
// which every Hugging Face tokenizer finds from the left, longest first. Unknown characters become one token.
// With it comes a chat template that serves training and chat alike and marks the model's own words.

import { emptyVocab, addedToken } from '../tokenizer/tokenizer-json.ts';
import type { TokenizerConfig, TokenizerJson } from '../tokenizer/tokenizer-json.ts';
import { type Task, vocabulary } from './tasks/index.ts';
import { thinkClose, thinkOpen } from './thinking.ts';

/** The chat template of a model that is born here: its own words, thought included, are marked; `others` writes everybody else's message. */
export const bornChatTemplate = (others: string): string =>
  `{% for message in messages %}{% if message['role'] == 'assistant' %}{{ '<|assistant|>' }}{% generation %}` +
  `{% if message['reasoning_content'] is defined %}{{ '${thinkOpen}' + message['reasoning_content'] + '${thinkClose}' }}{% endif %}{{ message['content'] + '<|end|>' }}{% endgeneration %}` +
  `{% else %}${others}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}`;

export const taskChatTemplate = bornChatTemplate("{{ '<|user|>' + message['content'] }}");

const specials = ['<|pad|>', '<|unknown|>', '<|user|>', '<|assistant|>', '<|end|>'];

export interface TokenizerFiles { readonly tokenizerJson: TokenizerJson; readonly tokenizerConfig: TokenizerConfig; readonly chatTemplate: string }

/** tokenizer.json, tokenizer_config.json and chat template for the texts of these tasks. */
export function taskTokenizer(tasks: readonly Task[]): TokenizerFiles {
  const pieces = vocabulary(tasks).sort((a, b) => (a < b ? -1 : 1)); // the ids do not depend on the order of tasks
  const single = (piece: string): boolean => [...piece].length === 1;
  const vocab = emptyVocab();
  for (const token of [...specials, ...pieces.filter(single), ...pieces.filter((p) => !single(p))]) vocab[token] = Object.keys(vocab).length;
  return {
    tokenizerJson: {
      version: '1.0', truncation: null, padding: null,
      added_tokens: [...specials.map((t) => addedToken(vocab[t]!, t, true)), ...pieces.filter((p) => !single(p)).map((p) => addedToken(vocab[p]!, p, false))],
      normalizer: null, pre_tokenizer: null, post_processor: null, decoder: { type: 'Fuse' },
      model: {
        type: 'BPE', dropout: null, unk_token: '<|unknown|>', continuing_subword_prefix: null, end_of_word_suffix: null,
        fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges: [],
      },
    },
    tokenizerConfig: { pad_token: '<|pad|>', unk_token: '<|unknown|>', eos_token: '<|end|>', clean_up_tokenization_spaces: false, tokenizer_class: 'PreTrainedTokenizerFast' },
    chatTemplate: taskChatTemplate,
  };
}
