// All runs; one of them; or several compared.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { type RunReport, api } from '../api.ts';
import { duration, euro, moment, number, percent, reasonOf, t } from '../i18n/index.ts';
import { isOperator, refreshHouse, runs, starts } from '../parts/house.ts';
import { go, path, to } from '../parts/route.ts';
import { ComparePage } from './compare-page.tsx';
import { RunPage } from './run-page.tsx';

const compareWord = '+'; // no name of a run

export function RunsPage(): JSX.Element {
  const [, name, ...more] = path.value;
  if (name === compareWord) return <ComparePage names={more} />;
  if (name !== undefined) return <RunPage key={name} name={name} />;
  return <RunList />;
}

function RunList(): JSX.Element {
  const chosen = useSignal<readonly string[]>([]), problem = useSignal<string | null>(null), all = runs.value;
  const begin = async (): Promise<void> => {
    try {
      await api.startRun('quickstart', 'quickstart');
      go('runs', 'quickstart');
      await refreshHouse();
    } catch (error) { problem.value = reasonOf(error); }
  };
  const choose = (name: string, on: boolean): void => { chosen.value = on ? [...chosen.value, name] : chosen.value.filter((n) => n !== name); };
  return (
    <div class="sheet">
      <header class="sheet-head"><h1>{t('runs.title')}</h1>
        {all && all.length > 1 && <span class="aside">{t('runs.compare.hint')}</span>}
        {all && all.length > 1 && <button type="button" disabled={chosen.value.length < 2} onClick={() => go('runs', compareWord, ...chosen.value)}>{t('runs.compare')}</button>}
      </header>
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
      {starts.value.map((s) => <p key={s.run}><a href={to('runs', s.run)}>{s.run}</a> <span class="aside">{t(s.state === 'starting' ? 'run.waiting' : 'run.failed')}</span></p>)}
      {all?.length === 0 && starts.value.length === 0 && <div class="first-run"><p>{t('runs.none')}</p><p>{t('runs.first')}</p>{isOperator.value && <button type="button" class="primary" onClick={() => { void begin(); }}>{t('runs.start')}</button>}</div>}
      <ul class="run-list">{all?.map((r) => <li key={r.id}><RunRow run={r} several={all.length > 1} chosen={chosen.value.includes(r.name)} choose={(on) => choose(r.name, on)} /></li>)}</ul>
    </div>
  );
}

function RunRow({ run, several, chosen, choose }: { run: RunReport; several: boolean; chosen: boolean; choose: (on: boolean) => void }): JSX.Element {
  const share = run.total_steps ? (run.step ?? 0) / run.total_steps : null;
  return (
    <article class="run-row">
      {several && <input type="checkbox" aria-label={t('runs.choose', { name: run.name })} checked={chosen} onChange={(e) => choose(e.currentTarget.checked)} />}
      <div class="run-row-main">
        <h2><a href={to('runs', run.name)}>{run.name}</a> <span class={`state state-${run.status}`}>{t(`run.status.${run.status}`)}{run.status === 'running' && share !== null ? ` ${percent(share)}` : ''}</span></h2>
        {run.why !== '' && <p class="aside">{run.why}</p>}
      </div>
      <dl>
        {run.accuracy !== null && <div><dt>{t('run.accuracy')}</dt><dd>{percent(run.accuracy)}</dd></div>}
        {run.step !== null && <div><dt>{t('run.step')}</dt><dd>{number(run.step)}</dd></div>}
        {run.seconds > 0 && <div><dt>{t('run.time')}</dt><dd>{duration(run.seconds)}</dd></div>}
        {run.euro !== null && <div><dt>{t('run.cost')}</dt><dd>{euro(run.euro)}</dd></div>}
        {run.begun !== null && <div class="begun"><dt class="unseen">{t('run.time')}</dt><dd>{moment(run.begun)}</dd></div>}
      </dl>
    </article>
  );
}
