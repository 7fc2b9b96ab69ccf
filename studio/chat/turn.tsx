// One exchange: the question, the thought in its lane, the answer, and what can be done with them.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Answer, Question } from '../api.ts';
import { duration, joules, number, t } from '../i18n/index.ts';
import { studio } from '../parts/house.ts';
import { Icon } from '../parts/icons.tsx';
import { answerAgain, askAgain, consent, conversation, lastRated, live, logprobs, rate } from './conversation.ts';
import { Prose } from './prose.tsx';
import { ThinkingLane } from './thinking-lane.tsx';
import { TokenView } from './token-view.tsx';

export function QuestionTurn({ question, place }: { question: Question; place: number }): JSX.Element {
  const edited = useSignal<string | null>(null);
  const again = (): void => {
    const text = edited.value ?? '';
    edited.value = null;
    void askAgain(place, text);
  };
  return (
    <div class="question">
      <h3 class="unseen">{t('turn.you')}</h3>
      {edited.value === null ? <p class="question-text">{question.content}</p> : (
        <form class="question-edit" onSubmit={(e) => { e.preventDefault(); again(); }}>
          <textarea aria-label={t('turn.edit')} value={edited.value} rows={3} onInput={(e) => { edited.value = e.currentTarget.value; }} ref={(box) => box?.focus()} />
          <p><button class="primary">{t('turn.edit.send')}</button> <button type="button" onClick={() => { edited.value = null; }}>{t('cancel')}</button></p>
        </form>
      )}
      {question.attachments.length > 0 && <ul class="files">{question.attachments.map((a, i) => <li key={i}><Icon name="clip" />{a.name}{a.tokens !== null && <small>{t('unit.tokens', { n: number(a.tokens) })}</small>}</li>)}</ul>}
      {edited.value === null && !live.value && <button type="button" class="quiet on-hover" onClick={() => { edited.value = question.content; }}><Icon name="edit" /><span>{t('turn.edit')}</span></button>}
      {!live.value && place === conversation.value.messages.length - 1 && <button type="button" onClick={() => { void answerAgain(place + 1); }}>{t('turn.ask')}</button>}
    </div>
  );
}

export function AnswerTurn({ answer, place, growing, thinking }: { answer: Answer; place: number; growing: boolean; thinking: boolean }): JSX.Element {
  const tokensShown = useSignal(false), tokens = logprobs.value.get(answer.time);
  return (
    <div class={`exchange${answer.thinking !== '' || thinking ? ' with-lane' : ''}`}>
      <div class="answer">
        <h3 class="unseen">{t('turn.answer')}</h3>
        {tokensShown.value && !growing ? (tokens ? <TokenView tokens={tokens} /> : <NoTokens place={place} answer={answer} />) : <Prose text={answer.content} growing={growing} />}
        {growing && answer.content === '' && <p class="waiting" aria-hidden="true"><span /><span /><span /></p>}
        {!growing && answer.content === '' && answer.finish !== 'failed' && <p class="aside">{t('turn.empty')}</p>}
        {answer.finish === 'failed' && <p class="problem">{t('turn.failed', { error: answer.error ?? '' })}</p>}
        <p class="facts">
          {!growing && <Facts answer={answer} />}
        </p>
        {!growing && <Actions answer={answer} place={place} tokensShown={tokensShown.value} toggleTokens={() => { tokensShown.value = !tokensShown.value; }} />}
      </div>
      <ThinkingLane answer={answer} thinking={thinking} />
    </div>
  );
}

function Facts({ answer: { tokens, seconds, joules: used, energy_method: method, finish, model, step } }: { answer: Answer }): JSX.Element {
  return (
    <>
      <span>{model}{step !== null && `, ${t('chat.step', { step: number(step) })}`}</span>
      {tokens !== null && <span>{t('unit.tokens', { n: number(tokens) })}</span>}
      {tokens !== null && seconds !== null && seconds > 0 && <span>{t('unit.rate', { n: number(tokens / seconds) })}</span>}
      {seconds !== null && <span>{duration(seconds)}</span>}
      {used !== null && <span title={method === null ? undefined : t('energy.title', { method })}>{joules(used)}</span>}
      {(finish === 'stopped' || finish === 'length') && <span class="mark-warn">{t(`turn.${finish}`)}</span>}
    </>
  );
}

function NoTokens({ place, answer }: { place: number; answer: Answer }): JSX.Element {
  return (
    <div>
      <Prose text={answer.content} growing={false} />
      <p class="aside">{t('token.none')} <button type="button" onClick={() => { void answerAgain(place, true); }}>{t('token.get')}</button></p>
    </div>
  );
}

/** What becomes of a rating; and, under the one just given, where the house may train on ratings, the question whether it may here. */
function Rated({ time }: { time: string }): JSX.Element {
  const asked = useRef<HTMLDivElement>(null), asks = lastRated.value === time && studio.value?.settings.feedback_for_training;
  useEffect(() => { asked.current?.scrollIntoView({ block: 'nearest' }); }, [asks]);
  if (conversation.value.consent) return <p class="aside">{t('turn.rated.consent')}</p>;
  return (
    <>
      <p class="aside">{t('turn.rated')}</p>
      {asks && <div class="consent" ref={asked}><p>{t('training.ask')}</p><button type="button" onClick={() => { void consent(true); }}>{t('training.give')}</button></div>}
    </>
  );
}

function Actions({ answer, place, tokensShown, toggleTokens }: { answer: Answer; place: number; tokensShown: boolean; toggleTokens: () => void }): JSX.Element {
  const copied = useSignal(false), { rating } = answer;
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(answer.content);
    copied.value = true;
    setTimeout(() => { copied.value = false; }, 1500);
  };
  return (
    <>
      <div class="actions">
        <button type="button" class="quiet" onClick={() => { void copy(); }}><Icon name="copy" /><span>{t(copied.value ? 'turn.copied' : 'turn.copy')}</span></button>
        <button type="button" class="quiet" disabled={live.value !== null} onClick={() => { void answerAgain(place); }}><Icon name="again" /><span>{t('turn.again')}</span></button>
        <button type="button" class="quiet" aria-pressed={tokensShown} onClick={toggleTokens}><Icon name="bars" /><span>{t(tokensShown ? 'turn.tokens.hide' : 'turn.tokens')}</span></button>
        <button type="button" class="quiet" aria-pressed={rating?.value === 'up'} aria-label={t('turn.good')} title={t('turn.good')} onClick={() => { void rate(place, rating?.value === 'up' ? null : { value: 'up', corrected: null }); }}><Icon name="good" /></button>
        <button type="button" class="quiet" aria-pressed={rating?.value === 'down'} aria-label={t('turn.bad')} title={t('turn.bad')} onClick={() => { void rate(place, rating?.value === 'down' ? null : { value: 'down', corrected: null }); }}><Icon name="bad" /></button>
      </div>
      {rating?.value === 'down' && (
        <form class="correction" onSubmit={(e) => { e.preventDefault(); void rate(place, { value: 'down', corrected: String(new FormData(e.currentTarget).get('corrected')) || null }); }}>
          <label>{t('turn.correct')}<input name="corrected" defaultValue={rating.corrected ?? ''} /></label><button>{t('save')}</button>
        </form>
      )}
      {rating && <Rated time={rating.time} />}
    </>
  );
}
