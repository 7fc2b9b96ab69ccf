// Several runs, their curves over each other.

import type { JSX } from 'preact';
import { useEffect, useMemo } from 'preact/hooks';
import { runs } from '../parts/house.ts';
import { Table } from '../parts/table.tsx';
import { duration, euro, joules, number, percent, t } from '../i18n/index.ts';
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
      <Outcomes names={names} />
      {all.every(({ data }) => data.detail.value !== null || data.missing.value) && <Curves of={all.map(({ name, data }) => ({ name, rows: data.rows.value, samples: data.samples.value }))} at={null} stages={[]} />}
    </div>
  );
}

/** What each came to, and what it took. */
function Outcomes({ names }: { names: readonly string[] }): JSX.Element {
  const of = names.flatMap((name) => runs.value?.find((r) => r.name === name) ?? []);
  return (
    <Table title={t('compare.outcomes')} columns={['', t('compare.status'), t('run.accuracy'), t('run.step'), t('run.time'), t('run.energy'), t('run.cost'), t('run.parameters')]} words={2}>
      <tbody>{of.map((r) => (
        <tr key={r.id}><th scope="row"><a href={to('runs', r.name)}>{r.name}</a></th><td>{t(`run.status.${r.status}`)}</td>
          {[r.accuracy === null ? '–' : percent(r.accuracy), r.step === null ? '–' : number(r.step), r.seconds === 0 ? '–' : duration(r.seconds), r.joules === null ? '–' : joules(r.joules), r.euro === null ? '–' : euro(r.euro), r.parameters === null ? '–' : number(r.parameters)].map((text, i) => <td key={i} class="amount">{text}</td>)}</tr>
      ))}</tbody>
    </Table>
  );
}
