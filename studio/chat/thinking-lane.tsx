// The thought beside the answer: it grows downward like a plumb line is let down, and says how deep it went in tokens,
// seconds and joules. It can be folded away.

import type { JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import type { Answer } from '../api.ts';
import { duration, joules, number, t } from '../i18n/index.ts';
import { Icon } from '../parts/icons.tsx';
import { remembered } from '../parts/remembered.ts';
import { joulesPerToken } from './conversation.ts';

const folded = remembered('folded', false);

/** The thought's part of what the answer took, by its tokens; while it comes, by those of the answer before. */
function thoughtJoules({ joules: all, tokens, thinking_tokens: thought, model }: Answer): { value: number; guessed: boolean } | null {
  if (!thought) return null;
  if (all !== null && tokens) return { value: (all * thought) / tokens, guessed: false };
  const each = joulesPerToken.get(model);
  return each === undefined ? null : { value: each * thought, guessed: true };
}

export function ThinkingLane({ answer, thinking }: { answer: Answer; thinking: boolean }): JSX.Element | null {
  const id = useId(), end = useRef<HTMLDivElement>(null), { thinking: text, thinking_tokens: tokens, thinking_seconds: seconds, thinking_ended: ended, energy_method: method } = answer;
  useEffect(() => {
    const box = end.current;
    if (thinking && box) box.scrollTop = box.scrollHeight;
  }, [text, thinking]);
  if (text === '' && !thinking) return null;
  const used = thoughtJoules(answer), open = !folded.value;
  return (
    <aside class={`lane${thinking ? ' lane-live' : ''}`} aria-label={t('thinking')}>
      <button type="button" class="lane-head" aria-expanded={open} aria-controls={id} onClick={() => { folded.value = open; }} title={t(open ? 'thinking.hide' : 'thinking.show')}>
        <span class="lane-name">{thinking ? t('thinking.now') : t('thinking')}</span>
        <span class="lane-depth">
          {tokens !== null && tokens > 0 && <span>{tokens === 1 ? t('unit.token.one') : t('unit.tokens', { n: number(tokens) })}</span>}
          {seconds !== null && <span>{duration(seconds)}</span>}
          {used && <span title={method === null ? undefined : t('energy.title', { method })}>{used.guessed ? '≈ ' : ''}{joules(used.value)}</span>}
        </span>
        <span class={open ? 'turn-up' : ''}><Icon name="down" /></span>
      </button>
      <div id={id} class="lane-text" ref={end} hidden={!open} tabIndex={open ? 0 : undefined} role="group" aria-label={t('thinking')}>
        <p>{text}{thinking && <span class="plumb" aria-hidden="true" />}</p>
        {(ended === 'budget' || ended === 'length') && <p class="lane-end">{t(`thinking.${ended}`)}</p>}
      </div>
    </aside>
  );
}
