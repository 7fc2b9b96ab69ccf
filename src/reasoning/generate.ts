// One answer from a model, token by token as it comes.

import type { CacheType } from '../engine/cache-pages.ts';
import { Arena } from '../engine/program.ts';
import type { SamplerSettings } from '../engine/ops/sample.ts';
import { type LanguageModel, encodePrompt, promptText, stopIds } from '../models/language-model.ts';
import type { ChatMessage } from '../tokenizer/chat-template.ts';
import { type Completion, Rollout } from './rollout.ts';
import { type Thought, ThoughtSplitter, splitThought } from './thinking.ts';
import { opensThought, tagsOf } from './thinking-models.ts';

export interface GenerateSettings {
  readonly maxTokens: number;
  readonly sampler: SamplerSettings;
  readonly cancel?: { readonly cancelled: boolean };
  /** New text as it comes, thinking and answer apart. */
  readonly onText?: (piece: { thinking: string; content: string }) => void;
  /** Further names for the chat template. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface Generated extends Thought {
  readonly promptTokens: number;
  readonly completion: Completion;
}

/** A model ready to answer: its cache and packed weights are kept between answers. */
export class Answerer {
  private readonly language: LanguageModel;
  private readonly arena: Arena;
  private readonly cache: CacheType;
  private rollout: { size: number; rollout: Rollout } | null = null;

  /** @param cache how keys and values are held */
  constructor(language: LanguageModel, { cache = 'f32' }: { cache?: CacheType } = {}) {
    this.language = language;
    this.cache = cache;
    this.arena = new Arena(language.model.backend);
  }

  async answer(messages: readonly ChatMessage[], settings: GenerateSettings): Promise<Generated> {
    const prompt = promptText(this.language, messages, { variables: settings.variables });
    return this.complete(encodePrompt(this.language, prompt), settings, opensThought(this.language, prompt));
  }

  /** @param inside whether the prompt ends inside a thought */
  async complete(prompt: Int32Array, settings: GenerateSettings, inside = false): Promise<Generated> {
    const { tokenizer, model } = this.language;
    const room = model.maxPositions - prompt.length + 1, maxNew = Math.min(settings.maxTokens, Math.max(room, 1));
    const rollout = await this.rolloutFor(prompt.length + maxNew);
    const stops = stopIds(this.language), stream = tokenizer.stream({ skipSpecial: false }), tags = tagsOf(this.language), splitter = new ThoughtSplitter({ inside, tags });
    const [[completion]] = await rollout.generate([{ prompt, maxNew, streams: [0] }], {
      stops, settings: settings.sampler, ...(settings.cancel && { cancel: settings.cancel }),
      onTokens: (_, __, ids) => {
        if (!settings.onText) return;
        for (const id of ids) if (!stops.includes(id)) settings.onText(splitter.push(stream.push(id)));
      },
    }) as [[Completion]];
    settings.onText?.(splitter.push(stream.flush()));
    settings.onText?.(splitter.end());
    const ids = completion.finish === 'stop' ? completion.tokens.subarray(0, -1) : completion.tokens;
    return { ...splitThought(tokenizer.decode(ids), { inside, tags }), promptTokens: prompt.length, completion };
  }

  private async rolloutFor(tokens: number): Promise<Rollout> {
    const size = Math.min(this.language.model.maxPositions, Math.ceil(tokens / 512) * 512);
    if (this.rollout && this.rollout.size >= tokens) return this.rollout.rollout;
    this.rollout?.rollout.close();
    const rollout = new Rollout(this.language.model, this.arena, { maxRows: 1, cache: this.cache, maxTokens: Math.max(size, Math.min(tokens, this.language.model.maxPositions)) });
    await rollout.refresh();
    this.rollout = { size, rollout };
    return rollout;
  }

  close(): void {
    this.rollout?.rollout.close();
    this.arena.close();
  }
}
