// The conversation that is open: what was said, and the answer that is on its way. Kept on the server after every change,
// and before an answer begins. An answer belongs to the conversation it was asked in, whichever is open when it ends.

import { batch, computed, effect, signal, untracked } from '@preact/signals';
import { type Answer, type Attachment, type ChatChunk, type ChatRequest, type Conversation, type ConversationEntry, type ConversationSettings, type Question, type ShelfModel, answerChunks, api } from '../api.ts';
import { reasonOf, t } from '../i18n/index.ts';
import { shelf } from '../parts/house.ts';
import { loginWanted, serverGone, unreachable } from '../parts/poll.ts';
import { remembered } from '../parts/remembered.ts';
import { goInstead, path } from '../parts/route.ts';
import { Announcer } from './announcer.ts';
import { withAttachments } from './attachments.ts';

export type TokenLogprob = NonNullable<ChatChunk['choices'][number]['logprobs']>['content'][number] & { readonly thinking: boolean };

/** An answer while it comes. */
export interface Live { readonly answer: Answer; readonly place: number; readonly thinking: boolean; readonly began: number }

const defaults: ConversationSettings = { system: '', temperature: 0, top_p: 1, seed: null, max_tokens: null, thinking: 'auto', thinking_budget: null };

const now = (): string => new Date().toISOString();

export const conversation = signal<Conversation>(empty());
export const live = signal<Live | null>(null);
export const entries = signal<readonly ConversationEntry[]>([]);
export const search = signal('');
export const trouble = signal<string | null>(null);
/** Tokens of the context that the conversation takes, as far as it was counted. */
export const contextUsed = signal<number | null>(null);
/** When the last rating was given on this page. */
export const lastRated = signal<string | null>(null);
/** Probabilities of answers given while this page is open, by the answer's time. */
export const logprobs = signal<ReadonlyMap<string, readonly TokenLogprob[]>>(new Map());
const lastModel = remembered<string | null>('model', null);
/** Joules a token, as the latest answer of a model had them: for the figure while the next one comes. */
export const joulesPerToken = new Map<string, number>();

/** The answer that is on its way: its conversation, open or left; what stood behind its question and is kept until it ends. */
interface Ongoing { talk: Conversation; readonly rest: Conversation['messages']; readonly aborter: AbortController; ended: Promise<void> }
let ongoing: Ongoing | null = null;

function empty(): Conversation {
  return { id: crypto.randomUUID(), title: '', model: null, created: now(), updated: now(), settings: defaults, consent: null, messages: [] };
}

/** The model that answers: the conversation's, the last one used, the first that is loaded or could be. */
export const answering = computed((): ShelfModel | null => {
  const models = shelf.value?.models.filter((m) => m.state !== 'unreadable') ?? [];
  for (const id of [conversation.value.model, lastModel.value]) {
    const found = models.find((m) => m.id === id);
    if (found) return found;
  }
  return models.find((m) => m.state === 'loaded') ?? models[0] ?? null;
});

export async function refreshEntries(): Promise<void> { entries.value = (await api.chats(search.value)).chats; }

let openings = 0;

/** Opens another conversation, or a new one; the answer on its way stops, and is kept where it belongs. */
export async function open(id: string | undefined): Promise<void> {
  const mine = ++openings;
  if (id === conversation.value.id) return;
  const left = settled();
  batch(() => {
    trouble.value = contextUsed.value = live.value = null;
    conversation.value = empty();
  });
  if (id === undefined) return;
  await left;
  try {
    const found = await api.chat(id);
    if (mine === openings) conversation.value = found;
  } catch (error) {
    if (mine !== openings) return;
    if (unreachable(error)) return void (reopen = id);
    conversation.value = empty();
    goInstead('chat');
  }
}

/** A conversation that was to be opened while the server was away. */
let reopen: string | null = null;
effect(() => {
  if (serverGone.value || loginWanted.value || reopen === null) return;
  const id = reopen;
  reopen = null;
  untracked(() => { void open(id); });
});

function change(part: Partial<Conversation>): void {
  conversation.value = { ...conversation.value, ...part, updated: now() };
  if (ongoing?.talk.id === conversation.value.id) ongoing.talk = conversation.value;
}

/** Those that could not be kept, as the server was away or wants to know who one is; once it is back, they will be. */
const unkept = new Map<string, Conversation>();
/** The writes that are under way, one after another, so that the latest is the last. */
let keeping: Promise<void> = Promise.resolve();

function keep(what: Conversation = conversation.value): Promise<void> {
  const whole = ongoing?.talk.id === what.id ? { ...what, messages: [...what.messages, ...ongoing.rest] } : what;
  if (whole.messages.length > 0) keeping = keeping.then(() => put(whole));
  return keeping;
}

async function put(what: Conversation): Promise<void> {
  try {
    await api.keepChat(what);
    unkept.delete(what.id);
    await refreshEntries();
  } catch (error) {
    if (unreachable(error)) unkept.set(what.id, what);
    else trouble.value = reasonOf(error);
  }
}

effect(() => {
  if (serverGone.value || loginWanted.value) return;
  const waiting = [...unkept.values()];
  unkept.clear();
  untracked(() => { for (const last of waiting) void keep(conversation.value.id === last.id ? conversation.value : last); });
});

/** What is being written, by conversation ('': a new one); it survives a reload, a login and a server that was away. */
export const drafts = remembered<Readonly<Record<string, string>>>('drafts', {}, sessionStorage);
const draftKey = (): string => (conversation.value.messages.length === 0 ? '' : conversation.value.id);
export const draft = computed(() => drafts.value[draftKey()] ?? '');
export function write(text: string): void {
  const { [draftKey()]: _, ...others } = drafts.value;
  drafts.value = text === '' ? others : { ...others, [draftKey()]: text };
}

/** Stops the answer on its way; resolves once all that was said is kept. */
export async function settled(): Promise<void> {
  stop();
  await ongoing?.ended;
  await keeping;
}

/** After everything that was kept of oneself is gone. */
export async function forgetAll(): Promise<void> {
  drafts.value = {};
  unkept.clear();
  await open(undefined);
  conversation.value = empty();
  if (path.value[0] === 'chat') goInstead('chat');
  await refreshEntries();
}

export async function set(settings: Partial<ConversationSettings>): Promise<void> {
  change({ settings: { ...conversation.value.settings, ...settings } });
  await keep();
}

export function chooseModel(id: string): void {
  lastModel.value = id;
  change({ model: id });
  const model = shelf.value?.models.find((m) => m.id === id);
  if (model && model.state !== 'loaded' && model.state !== 'loading') void api.load(id).catch((error: unknown) => { trouble.value = reasonOf(error); });
}

export async function consent(given: boolean): Promise<void> {
  change({ consent: given ? { given: now() } : null });
  await keep();
}

export async function remove(id: string): Promise<void> {
  if (id === conversation.value.id) await settled();
  await api.removeChat(id);
  unkept.delete(id);
  if (id === conversation.value.id) {
    await open(undefined);
    goInstead('chat');
  }
  await refreshEntries();
}

export async function send(content: string, attachments: readonly Attachment[]): Promise<void> {
  const question: Question = { role: 'user', content, time: now(), attachments: [...attachments] };
  const { messages, title } = conversation.value;
  change({ messages: [...messages, question], title: title || content.replace(/\s+/g, ' ').trim().slice(0, 80) || attachments[0]?.name || '…' });
  goInstead('chat', conversation.value.id);
  await answer();
}

/** Asks the question at `place` once more, with other words; what came after it goes. */
export async function askAgain(place: number, content: string): Promise<void> {
  const { messages } = conversation.value, question = messages[place];
  if (question?.role !== 'user') return;
  change({ messages: [...messages.slice(0, place), { ...question, content, time: now() }] });
  await answer();
}

/** Another answer in the place of one; with `same`, the same one with its probabilities. */
export async function answerAgain(place: number, same = false): Promise<void> {
  const { messages } = conversation.value, old = messages[place];
  change({ messages: messages.slice(0, place) });
  await answer({ old: messages.slice(place, place + 1), after: messages.slice(place + 1), ...(same && old?.role === 'assistant' && { seed: old.seed, rating: old.rating }), probabilities: same });
}

export function stop(): void { ongoing?.aborter.abort(); }

export async function rate(place: number, rating: { value: 'up' | 'down'; corrected: string | null } | null): Promise<void> {
  const time = now();
  lastRated.value = time;
  change({ messages: conversation.value.messages.map((m, i) => (i === place && m.role === 'assistant' ? { ...m, rating: rating && { ...rating, time } } : m)) });
  await keep();
}

/** What goes to the model of a conversation. */
export function requestMessages({ messages, settings }: Conversation, alone: boolean): ChatRequest['messages'] {
  const said = alone ? messages.slice(-1) : messages;
  return [
    ...(settings.system.trim() !== '' ? [{ role: 'system' as const, content: settings.system }] : []),
    ...said.flatMap((m): ChatRequest['messages'] => {
      if (m.role === 'user') return [{ role: 'user', content: withAttachments(m.content, m.attachments) }];
      return m.finish === 'failed' ? [] : [{ role: 'assistant', content: m.content, ...(m.thinking !== '' && { reasoning_content: m.thinking }) }];
    }),
  ];
}

/** `old`: what the answer takes the place of; `after`: what follows it. */
interface Wish { readonly old?: Conversation['messages']; readonly after?: Conversation['messages']; readonly seed?: number | null; readonly rating?: Answer['rating']; readonly probabilities?: boolean }

async function answer(wish: Wish = {}): Promise<void> {
  const model = answering.value, { old = [], after = [] } = wish;
  if (!model) return void (await keep());
  const mine: Ongoing = { talk: conversation.value, rest: [...old, ...after], aborter: new AbortController(), ended: Promise.resolve() };
  ongoing = mine;
  void keep();
  await (mine.ended = give(mine, model, wish));
}

async function give(mine: Ongoing, model: ShelfModel, { after = [], seed, rating = null, probabilities = false }: Wish): Promise<void> {
  const { talk: { id, settings }, aborter: { signal: aborted } } = mine, here = (): boolean => conversation.value.id === id, wantedSeed = seed ?? settings.seed, off = settings.thinking === 'off';
  const request: ChatRequest = {
    model: model.id, messages: requestMessages(mine.talk, model.single_turn === true), temperature: settings.temperature, top_p: settings.top_p,
    ...(wantedSeed !== null && { seed: wantedSeed }), ...(settings.max_tokens !== null && { max_completion_tokens: settings.max_tokens }),
    ...(settings.thinking !== 'auto' && model.thinks !== false && { think: !off }), ...(settings.thinking_budget !== null && !off && { thinking_budget: settings.thinking_budget }),
    ...(probabilities && { logprobs: true, top_logprobs: 5 }),
  };
  const began = performance.now(), place = mine.talk.messages.length, announcer = new Announcer(''), tokens: TokenLogprob[] = [];
  let said: Answer = {
    role: 'assistant', content: '', thinking: '', time: now(), generated: true, model: model.id, weights_sha256: model.weights_sha256, step: model.step, seed: wantedSeed, finish: 'stopped', thinking_ended: null, error: null,
    tokens: null, thinking_tokens: null, seconds: null, thinking_seconds: null, joules: null, energy_method: null, rating,
  };
  const show = (thinking: boolean): void => { if (here()) live.value = { answer: said, place, thinking, began }; };
  const elapsed = (): number => (performance.now() - began) / 1000;
  show(false);
  try {
    let counted = 0, thought = 0, inThought = false;
    for await (const chunk of answerChunks(request, aborted)) {
      if (chunk.seed !== undefined) said = { ...said, seed: chunk.seed };
      if (chunk.usage && here()) contextUsed.value = chunk.usage.total_tokens;
      const [choice] = chunk.choices;
      if (!choice) continue;
      const { reasoning = '', content = '' } = choice.delta;
      for (const [part, thinking] of [['reasoning', true], ['content', false]] as const) for (const entry of choice.logprobs?.[part] ?? []) tokens.push({ ...entry, thinking });
      if (reasoning !== '' || content !== '') counted++;
      if (reasoning !== '') {
        if (!inThought) announcer.say(t('live.thinking'));
        inThought = true;
        thought++;
        said = { ...said, thinking: said.thinking + reasoning, thinking_seconds: elapsed() };
      }
      if (content !== '') {
        if (said.content === '') announcer.say(t('live.answer'));
        inThought = false;
        said = { ...said, content: said.content + content };
        announcer.push(content);
      }
      said = { ...said, tokens: counted, thinking_tokens: thought, seconds: elapsed() };
      if (choice.finish_reason !== null) {
        const { thinking, timings, energy } = choice;
        said = { ...said, finish: choice.finish_reason === 'tool_calls' ? 'stop' : choice.finish_reason, thinking_ended: thinking?.ended ?? null, thinking_tokens: thinking?.tokens ?? thought, tokens: timings?.predicted_n ?? counted, joules: energy?.joules ?? null, energy_method: energy ? `${energy.method} (${energy.grade})` : null };
        if (energy?.joules && timings && timings.predicted_n > 0) joulesPerToken.set(model.id, energy.joules / timings.predicted_n);
      }
      show(inThought);
    }
  } catch (error) {
    said = { ...said, finish: aborted.aborted ? 'stopped' : 'failed', error: aborted.aborted ? null : unreachable(error) ? t('server.lost') : reasonOf(error) };
  }
  // Of a model that was loaded a moment ago the weights may still have been hashed when it was asked.
  const hash = shelf.value?.models.find((m) => m.id === model.id && m.step === model.step)?.weights_sha256 ?? null;
  said = { ...said, weights_sha256: said.weights_sha256 ?? hash };
  if (here()) announcer.end(said.finish === 'failed' ? t('turn.failed', { error: said.error ?? '' }) : t('live.done'));
  batch(() => {
    if (tokens.length > 0) logprobs.value = new Map([...logprobs.value, [said.time, tokens]]);
    const done = { model: model.id, messages: [...mine.talk.messages.slice(0, place), said, ...after] };
    if (here()) {
      change(done);
      live.value = null;
    } else mine.talk = { ...mine.talk, ...done, updated: now() };
  });
  if (ongoing === mine) ongoing = null;
  await keep(mine.talk);
}
