// Several runs, their curves over each other.

import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { to } from '../parts/route.ts';
import { Curves } from './curves.tsx';
import { runData } from './run-data.ts';

export function ComparePage({ names }: { names: readonly string[] }): JSX.Element {
  const all = useMemo(() => names.map((name) => ({ name, data: runData(name) })), [names.join('/')]);
  useEffect(() => {
    const ends = all.map(({ data }) => data.follow());
    return () => ends.forEach((end) => end());
  }, [all]);
  return (
    <div class="sheet run">
      <header class="run-head"><p class="crumb"><a href={to('runs')}>{t('runs.title')}</a></p><h1>{t('runs.compare')}</h1></header>
      <Curves of={all.map(({ name, data }) => ({ name, rows: data.rows.value, samples: data.samples.value }))} at={null} stages={[]} />
    </div>
  );
}
