// One choice of an answer: chooses token after token, turns them into text, thinking and answer apart, and knows when to
// end. At the thinking budget the closing tag is put in place of what the model would have said, and the answer does
// not end before it has more than white space. Times and energy are kept here too.

import type { TextSide } from '../../models/language-model.ts';
import { type ThinkTags, ThoughtSplitter } from '../../reasoning/thinking.ts';
import { tagsOf } from '../../reasoning/thinking-models.ts';
import type { StreamDecoder } from '../../tokenizer/stream-decoder.ts';
import { CallFinder } from '../tools/call-finder.ts';
import type { FunctionCall } from '../tools/tool-format.ts';
import type { Sequence } from './batch.ts';
import { adjustLogits, chooseToken, logprobsOf } from './choose-token.ts';
import type { ChoiceEnd, CutShort, EngineEvent, EngineRequest, TokenLogprobs } from './engine.ts';
import type { PreparedPrompt } from './prompt.ts';
import { Steering, type Rules } from './steering.ts';
import { StopFinder } from './stop-finder.ts';
import { TagRemover } from './tag-remover.ts';

const seconds = (): number => performance.now() / 1000;

export class Choice implements Sequence {
  readonly ids: number[];
  done = false;
  private readonly text: TextSide;
  private readonly request: EngineRequest;
  private readonly index: number;
  private readonly promptLength: number;
  private readonly limit: number; // ids at most
  private readonly ends: ReadonlySet<number>;
  private readonly emit: (event: EngineEvent) => void;
  private readonly decoder: StreamDecoder;
  private readonly splitter: ThoughtSplitter;
  private readonly thinkTags: ThinkTags;
  private readonly tags: TagRemover;
  private readonly stops: StopFinder;
  private readonly counts = new Map<number, number>();
  private readonly steering: Steering | null;
  private readonly finder: CallFinder | null;
  /** The tokens that open a thought, where one may still come; and how many of them are there. */
  private readonly opening: readonly number[];
  private opened = 0;
  private called = 0; // functions
  private readonly arrived = seconds();
  private started = 0;
  private firstToken = 0;
  private cached = 0;
  private thought = 0; // tokens of thinking, its tags included
  private undecided = 0; // tokens of what may become the opening tag
  private answerMustFollow = false;
  private ended: ChoiceEnd['thinkingEnded'] = null;
  private untold: Omit<Extract<EngineEvent, { type: 'end' }>, 'joules'> | null = null;
  joules: number | null = 0;
  /** Called once its prompt is read: whoever shares it finds its pages in the cache from then on. */
  onRead: (() => void) | null = null;

  constructor(text: TextSide, request: EngineRequest, prompt: PreparedPrompt, index: number, context: number, ends: ReadonlySet<number>, rules: Rules | null, emit: (event: EngineEvent) => void) {
    this.text = text;
    this.request = request;
    this.index = index;
    this.ids = [...prompt.ids];
    this.promptLength = prompt.ids.length;
    this.limit = Math.min(context, this.promptLength + (request.maxTokens ?? context));
    this.ends = ends;
    this.emit = emit;
    this.decoder = text.tokenizer.stream({ skipSpecial: false });
    const tags = this.thinkTags = tagsOf(text);
    this.tags = new TagRemover(tags);
    this.splitter = new ThoughtSplitter({ inside: prompt.inside, tags });
    this.stops = new StopFinder(request.stop);
    this.steering = rules && new Steering(rules);
    this.finder = rules?.tools ? new CallFinder(rules.tools.opening) : null;
    this.opening = prompt.mayThink ? [...text.tokenizer.encode(tags.open)] : [];
  }

  begun(cached: number): void {
    if (this.started > 0) return; // it had to wait once more
    this.started = seconds();
    this.cached = cached;
  }

  candidates(): number | null {
    const { topLogprobs, sampling: { temperature, topK, bias, frequencyPenalty, presencePenalty } } = this.request;
    if (topLogprobs !== null || bias.length > 0 || frequencyPenalty !== 0 || presencePenalty !== 0 || this.steering?.active) return null;
    const kept = temperature === 0 ? 1 : topK;
    return kept === 0 ? null : kept + (this.answerMustFollow ? this.ends.size : 0);
  }

  choose(logits: Float32Array): void {
    if (this.firstToken === 0) {
      this.firstToken = seconds();
      this.onRead?.();
    }
    const { sampling, topLogprobs, thinking } = this.request;
    if (thinking.budget !== null && this.splitter.inside && this.thought >= thinking.budget && !thinking.raw) return this.closeThought();
    const describe = topLogprobs === null ? null : logprobsOf(logits, topLogprobs, this.show);
    adjustLogits(logits, sampling, this.counts);
    if (this.answerMustFollow) for (const id of this.ends) logits[id] = -Infinity;
    if (!this.steer(logits)) return this.end('length');
    const id = this.followed(logits, () => chooseToken(logits, sampling, this.index, this.ids.length - 1));
    this.ids.push(id);
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    if (this.ends.has(id)) return this.end(this.called > 0 ? 'tool_calls' : 'stop');
    this.say(this.decoder.push(id), describe?.(id));
    if (this.stops.found) this.end('stop');
    else if (this.called > 0 && !this.steering!.rules.tools!.parallel) this.end('tool_calls');
    else if (this.ids.length >= this.limit) this.end('length');
  }

  /** Ends it from outside; the client hears what was said so far and why no more comes. */
  cut(reason: CutShort): void { if (!this.done) this.end('length', reason); }

  /** Leaves only what may come. False: nothing may, as no token stands for it. */
  private steer(logits: Float32Array): boolean {
    if (!this.steering?.active) return true;
    if (this.splitter.inside) { // an answer was asked for: it does not end before it began
      for (const id of this.ends) logits[id] = -Infinity;
      return true;
    }
    const next = this.splitter.undecided ? this.opening[this.opened] : undefined, { bits, count } = this.steering.mask();
    if (count === 0 && next === undefined) return false;
    for (let id = 0; id < logits.length; id++) if (((bits[id >> 5]! >>> (id & 31)) & 1) === 0 && id !== next) logits[id] = -Infinity;
    // A thought that was begun is opened wholly.
    if (this.opened > 0 && next !== undefined) for (let id = 0; id < logits.length; id++) if (id !== next) logits[id] = -Infinity;
    return true;
  }

  /** Chooses, and goes along with what was chosen. */
  private followed(logits: Float32Array, choose: () => number): number {
    const { steering, splitter } = this;
    if (!steering?.active) return choose();
    if (splitter.inside) {
      // The token that closes the thought may hold the beginning of the answer.
      for (;;) {
        const id = choose(), rest = splitter.behindClose(new TextDecoder().decode(this.text.tokenizer.bytesOf(id)));
        if (rest === null || steering.allows(rest)) { if (rest) steering.read(new TextEncoder().encode(rest)); return id; }
        logits[id] = -Infinity;
      }
    }
    const id = choose();
    if (splitter.undecided && id === this.opening[this.opened]) this.opened++;
    else { this.opened = this.opening.length; steering.accept(id); }
    return id;
  }

  private readonly show = (id: number): { token: string; bytes: number[] } => {
    const bytes = this.text.tokenizer.bytesOf(id);
    return { token: new TextDecoder().decode(bytes), bytes: [...bytes] };
  };

  /** Text of one token: what is certain of it goes out. */
  private say(text: string, entry?: TokenLogprobs, last = false): void {
    const { raw } = this.request.thinking, wasInside = this.splitter.inside;
    let thinking = '', content = text;
    if (!raw) {
      ({ thinking, content } = this.splitter.push(text));
      if (last) {
        const rest = this.splitter.end();
        thinking += rest.thinking;
        content += rest.content;
      }
    }
    const inThought = !raw && (wasInside || this.splitter.inside);
    if (!last && !raw) this.countThought(inThought);
    if (!raw) content = this.tags.push(content) + (last ? this.tags.end() : '');
    if (content.trim() !== '') this.answerMustFollow = false;
    const calls = this.findCalls(content);
    if (this.finder) content = calls.text + (last ? this.finder.end() : '');
    content = this.stops.push(content) + (last ? this.stops.end() : '');
    if (thinking === '' && content === '' && calls.found.length === 0 && !entry) return;
    this.emit({ type: 'piece', choice: this.index, thinking, content, ...(calls.found.length > 0 && { calls: calls.found }), ...(entry && { logprobs: { thinking: inThought, entry } }) });
  }

  /** Takes function calls out of the text. */
  private findCalls(content: string): { text: string; found: readonly FunctionCall[] } {
    const { finder, steering } = this, tools = steering?.rules.tools;
    if (!finder || !steering || !tools) return { text: content, found: [] };
    const before = finder.inside !== null, text = finder.push(content);
    if (finder.inside === null) return { text, found: [] };
    if (!before && !steering.active) steering.enter(finder.inside);
    // Where it was steered its end is certain; else it is over when it can be read.
    const found = steering.active && !steering.complete ? null : tools.format.read(finder.inside);
    if (!found) return { text, found: [] };
    finder.close();
    steering.leave();
    this.called += found.length;
    return { text, found };
  }

  private countThought(inThought: boolean): void {
    if (inThought) {
      this.thought += 1 + this.undecided;
      this.undecided = 0;
      if (!this.splitter.inside) this.ended ??= 'natural';
    } else {
      this.undecided = this.splitter.undecided ? this.undecided + 1 : 0;
    }
  }

  private closeThought(): void {
    const closing = [...this.text.tokenizer.encode(this.thinkTags.close)].slice(0, this.limit - this.ids.length);
    this.ended = 'budget';
    this.answerMustFollow = true;
    for (const id of closing) {
      this.ids.push(id);
      this.say(this.decoder.push(id));
    }
    if (this.ids.length >= this.limit) this.end('length');
  }

  private end(finish: ChoiceEnd['finish'], cutShort?: CutShort): void {
    this.done = true;
    if (this.splitter.inside && !this.request.thinking.raw) this.ended = finish === 'length' ? 'length' : 'natural';
    this.say(this.decoder.flush(), undefined, true);
    const now = seconds(), started = this.started || now, first = this.firstToken || now;
    this.untold = {
      type: 'end', choice: this.index, finish, ...(cutShort && { cutShort }), tokens: this.ids.length - this.promptLength, reasoningTokens: this.thought, cachedTokens: this.cached,
      thinkingEnded: this.ended, queueSeconds: started - this.arrived, promptSeconds: first - started, decodeSeconds: now - first,
    };
  }

  /** Says that it has ended, once: not before the energy of its last step is booked, which is known when that step is over. */
  tellEnd(): void {
    if (this.untold) this.emit({ ...this.untold, joules: this.joules });
    this.untold = null;
  }
}
