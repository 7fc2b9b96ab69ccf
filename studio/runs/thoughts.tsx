// Watch it learn to think: the same problems with the thoughts of one step, and a slider through all steps. Under each
// problem a strip tells at which steps it was right.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { RunSample } from '../api.ts';
import { number, percent, t } from '../i18n/index.ts';
import { Icon } from '../parts/icons.tsx';

const beat = 1100; // ms a step while it plays
const longThought = 240; // characters: longer ones are scrolled, by keyboard too

interface ThoughtsProps { readonly samples: readonly RunSample[]; readonly running: boolean; readonly chosen: number | null; readonly choose: (place: number | null) => void }

/** `chosen`: place among the samples; null follows the latest. */
export function Thoughts({ samples, running, chosen, choose }: ThoughtsProps): JSX.Element {
  const playing = useSignal(false), last = samples.length - 1, place = Math.min(chosen ?? last, last), sample = samples[place];
  useEffect(() => {
    if (!playing.value) return;
    const timer = setTimeout(() => {
      if (place < last) choose(place + 1);
      else playing.value = false;
    }, beat);
    return () => clearTimeout(timer);
  }, [playing.value, place, last]);
  const play = (): void => {
    if (!playing.value && place >= last) choose(0);
    playing.value = !playing.value;
  };
  return (
    <section class="thoughts" aria-labelledby="thoughts-title">
      <header>
        <h2 id="thoughts-title">{t('thoughts.title')}</h2>
        <p class="aside">{t('thoughts.text')}</p>
      </header>
      {!sample ? <p class="aside">{t('thoughts.none')}</p> : (
        <>
          <div class="scrubber">
            <button type="button" class="round" aria-label={t(playing.value ? 'thoughts.pause' : 'thoughts.play')} onClick={play}><Icon name={playing.value ? 'pause' : 'play'} /></button>
            <label class="scrub"><span class="unseen">{t('thoughts.at')}</span>
              <input type="range" min={0} max={last} step={1} value={place} aria-valuetext={labelOf(sample)} onInput={(e) => { playing.value = false; choose(Number(e.currentTarget.value)); }} />
            </label>
            {running && <button type="button" aria-pressed={chosen === null} onClick={() => choose(chosen === null ? place : null)}>{t('thoughts.follow')}</button>}
          </div>
          <p class="moment"><strong>{labelOf(sample)}</strong><span>{score(sample)}</span></p>
          <ol class="problems">{sample.shown.map((_, i) => <Problem key={i} samples={samples} place={place} index={i} />)}</ol>
        </>
      )}
    </section>
  );
}

function labelOf({ step, label }: RunSample): string {
  const said = label === 'before' || label === 'after' || label === 'after_without_thinking' ? `, ${t(`thoughts.${label}`)}` : '';
  return `${t('thoughts.step', { step: number(step) })}${said}`;
}

const score = ({ shown, mean }: RunSample): string =>
  `${t('thoughts.score', { right: shown.filter((s) => s.right).length, n: shown.length })}${mean === undefined ? '' : ` · ${t('thoughts.accuracy', { share: percent(mean) })}`}`;

function Problem({ samples, place, index }: { samples: readonly RunSample[]; place: number; index: number }): JSX.Element {
  const { prompt, thinking, content, expected, right } = samples[place]!.shown[index]!;
  return (
    <li class={right ? 'problem-right' : 'problem-wrong'}>
      <p class="prompt">{prompt}</p>
      <p class="thought" {...(thinking.length > longThought && { tabIndex: 0 })}>{thinking === '' ? <span class="aside">{t('thoughts.nothought')}</span> : thinking}</p>
      <p class="verdict"><strong>{content === '' ? t('thoughts.noanswer') : content}</strong> <span class="verdict-word">{t(right ? 'thoughts.right' : 'thoughts.wrong')}</span>{!right && <span class="aside">{t('thoughts.expected', { answer: expected })}</span>}</p>
      <svg class="strip" viewBox={`0 0 ${samples.length} 1`} preserveAspectRatio="none" aria-hidden="true">
        {samples.map((s, i) => <rect key={i} x={i + 0.08} width={0.84} height={1} class={`${s.shown[index]?.right ? 'hit' : 'miss'}${i === place ? ' here' : ''}`} />)}
      </svg>
    </li>
  );
}
