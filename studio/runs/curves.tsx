// The curves of one run or of several.

import type { JSX } from 'preact';
import type { RunSample } from '../api.ts';
import type { WordKey } from '../i18n/en.ts';
import { t } from '../i18n/index.ts';
import { Curve, type Line, lineColours } from './curve.tsx';
import type { Row } from './run-data.ts';

export interface CurvesOf { readonly name: string; readonly rows: readonly Row[]; readonly samples: readonly RunSample[] }

const shown: readonly { key: string; word: WordKey; share?: 'percent' | 'number' }[] = [
  { key: 'reward', word: 'curve.reward', share: 'number' }, { key: 'loss', word: 'curve.loss' }, { key: 'length', word: 'curve.length' },
  { key: 'dead_groups', word: 'curve.dead_groups', share: 'percent' }, { key: 'tokens_per_s', word: 'curve.tokens_per_s' }, { key: 'joules', word: 'curve.joules' },
];

function lineOf({ name, rows }: CurvesOf, colour: number, key: string): Line {
  // The loss of reinforcement is another thing than that of demonstrations: its curve would hide the first.
  const own = key === 'loss' && rows.some((r) => !String(r['stage']).endsWith('grpo')) ? rows.filter((r) => !String(r['stage']).endsWith('grpo')) : rows.filter((r) => typeof r[key] === 'number');
  return { name, colour, steps: own.map((r) => r.step), values: own.map((r) => (typeof r[key] === 'number' ? (r[key] as number) : null)) };
}

function accuracyOf({ name, samples }: CurvesOf, colour: number): Line {
  const measured = samples.filter((s) => s.mean !== undefined && s.label !== 'after_without_thinking');
  return { name, colour, steps: measured.map((s) => s.step), values: measured.map((s) => s.mean!), points: true };
}

export function Curves({ of, at, stages, onPick }: { of: readonly CurvesOf[]; at: number | null; stages: readonly number[]; onPick?: (step: number) => void }): JSX.Element {
  const given = { at, stages, ...(onPick && { onPick }) };
  // What a stage does not have (reward, while it reads demonstrations) takes no room.
  const curves = [{ key: 'accuracy', word: 'curve.accuracy', share: 'percent', lines: of.map(accuracyOf) } as const, ...shown.map((s) => ({ ...s, lines: of.map((o, i) => lineOf(o, i, s.key)) }))]
    .filter(({ lines }) => lines.some((l) => l.values.some((v) => v !== null)));
  return (
    <section class="curves" aria-label={t('curves.title')}>
      {of.length > 1 && <ul class="legend">{of.map(({ name }, i) => <li key={name} class={`key-${(i % lineColours.length) + 1}`}>{name}</li>)}</ul>}
      <div class="curve-grid">
        {curves.map(({ key, word, share, lines }) => <Curve key={key} title={t(word)} lines={lines} {...(share && { share })} {...given} />)}
        {curves.length === 0 && <p class="aside">{t('curve.none')}</p>}
      </div>
    </section>
  );
}
