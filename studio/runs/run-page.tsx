// One run: how far it is, what it cost so far, its thoughts through time, its curves; stop and resume.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { type RunDetail, type RunReport, api } from '../api.ts';
import { chooseModel } from '../chat/conversation.ts';
import type { WordKey } from '../i18n/en.ts';
import { compact, duration, euro, figure, joules, number, percent, reasonOf, t } from '../i18n/index.ts';
import { isOperator, starts } from '../parts/house.ts';
import { go, to } from '../parts/route.ts';
import { Curves } from './curves.tsx';
import { type Row, runData } from './run-data.ts';
import { Thoughts } from './thoughts.tsx';

export function RunPage({ name }: { name: string }): JSX.Element {
  const data = useMemo(() => runData(name), [name]), chosen = useSignal<number | null>(null);
  useEffect(() => data.follow(), [data]);
  const detail = data.detail.value, rows = data.rows.value, samples = data.samples.value;
  if (!detail) return data.missing.value ? <Preparing name={name} /> : <div class="sheet" />;
  const { run } = detail, ended = badEnd(detail), place = chosen.value ?? samples.length - 1, at = samples[place]?.step ?? null;
  const pick = (step: number): void => {
    if (samples.length > 0) chosen.value = samples.reduce((best, s, i) => (Math.abs(s.step - step) < Math.abs(samples[best]!.step - step) ? i : best), 0);
  };
  return (
    <div class="sheet run">
      <RunHead run={run} rows={rows} starting={detail.start === 'starting' && run.status !== 'running' && run.status !== 'finished'} />
      {ended && <div class="problem" role="alert"><p>{t(ended)}</p>{detail.log !== '' && <pre tabIndex={0}>{detail.log.trim()}</pre>}</div>}
      <Thoughts samples={samples} running={run.status === 'running'} chosen={chosen.value} choose={(to) => { chosen.value = to; }} />
      <Curves of={[{ name, rows, samples }]} at={at} stages={run.stages.flatMap((s, i) => (i > 0 && s.from !== null ? [s.from] : []))} onPick={pick} />
      <details><summary>{t('run.recipe')}</summary><pre tabIndex={0}>{detail.recipe}</pre></details>
      {detail.log !== '' && !ended && <details><summary>{t('run.log')}</summary><pre tabIndex={0}>{detail.log.trim()}</pre></details>}
    </div>
  );
}

/** In which words it ended badly, if it did: it says why, it was killed, or it did not even come to begin again. */
function badEnd({ run: { status, attempts }, start }: RunDetail): 'run.failed' | 'run.crashed' | null {
  if (status === 'running' || status === 'finished' || start === 'starting') return null;
  if (status === 'unfinished' && attempts > 0) return 'run.crashed';
  return status === 'failed' || start === 'failed' ? 'run.failed' : null;
}

/** A run that has no folder: just begun, failed before it had one, or never there. */
function Preparing({ name }: { name: string }): JSX.Element {
  const start = starts.value.find((s) => s.run === name);
  return (
    <div class="sheet run">
      <header class="run-head"><p class="crumb"><a href={to('runs')}>{t('runs.title')}</a></p><h1>{name}</h1>
        <p class="why" role="status">{!start ? t('run.gone') : start.state === 'starting' ? t('run.waiting') : t('run.failed')}</p></header>
      {start?.state === 'failed' && <pre tabIndex={0} class="problem">{start.log.trim()}</pre>}
    </div>
  );
}

function RunHead({ run, rows, starting }: { run: RunReport; rows: readonly Row[]; starting: boolean }): JSX.Element {
  const stopping = useSignal(false), problem = useSignal<string | null>(null), running = run.status === 'running';
  const speed = rows.slice(-10).flatMap((r) => (typeof r['tokens_per_s'] === 'number' ? [r['tokens_per_s']] : []));
  const act = async (work: Promise<unknown>): Promise<void> => {
    problem.value = null;
    try { await work; } catch (error) { stopping.value = false; problem.value = reasonOf(error); }
  };
  useEffect(() => { if (!running) stopping.value = false; }, [running]);
  const facts: [WordKey, string | null, string?][] = [
    ['run.accuracy', run.accuracy === null ? null : percent(run.accuracy)],
    ['run.left', running && run.seconds_left !== null ? duration(run.seconds_left) : null],
    ['run.time', run.seconds === 0 ? null : duration(run.seconds)],
    ['run.speed', running && speed.length > 0 ? t('unit.rate', { n: number(speed.reduce((a, b) => a + b, 0) / speed.length) }) : null],
    ['run.energy', run.joules === null ? null : joules(run.joules), run.joules_method],
    ['run.cost', run.euro === null ? null : euro(run.euro), t('run.cost.hint', { price: euro(run.euro_per_kwh) })],
    ['run.tokens', run.tokens_trained + run.tokens_sampled === 0 ? null : t('run.tokens.value', { trained: compact(run.tokens_trained), sampled: compact(run.tokens_sampled) })],
    ['run.parameters', run.parameters === null ? null : compact(run.parameters)],
  ];
  return (
    <header class="run-head">
      <p class="crumb"><a href={to('runs')}>{t('runs.title')}</a></p>
      <div class="run-title">
        <h1>{run.name}</h1><span class={`state state-${run.status}`}>{t(`run.status.${run.status}`)}</span>
        <span class="run-actions">
          {run.talks && <button type="button" class="primary" onClick={() => { chooseModel(run.name); go('chat'); }}>{t('run.talk')}</button>}
          {isOperator.value && running && <button type="button" disabled={stopping.value} onClick={() => { stopping.value = true; void act(api.stopRun(run.name)); }}>{t('run.stop')}</button>}
          {isOperator.value && !running && run.status !== 'finished' && <button type="button" disabled={starting} onClick={() => { void act(api.startRun(run.name)); }}>{t('run.resume')}</button>}
        </span>
      </div>
      {run.why !== '' && <p class="why">{run.why}</p>}
      {(stopping.value || starting) && <p role="status" class="aside">{t(starting ? 'run.starting' : 'run.stopping')}</p>}
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
      <Progress run={run} />
      <dl class="figures">{facts.map(([word, value, title]) => value !== null && <div key={word} title={title}><dt>{t(word)}</dt><dd>{value}</dd></div>)}</dl>
    </header>
  );
}

const stageWord = (method: string): string => (method === 'sft' || method === 'grpo' || method === 'pretrain' ? t(`stage.${method}`) : method);

/** The stages side by side, as long as they are. */
function Progress({ run }: { run: RunReport }): JSX.Element | null {
  if (run.total_steps === null || run.total_steps === 0) return null;
  let before = 0;
  const step = run.step ?? 0;
  return (
    <div class="progress">
      <svg viewBox={`0 0 ${run.total_steps} 1`} preserveAspectRatio="none" role="img" aria-label={`${t('run.step')} ${t('run.of', { step: number(step), total: number(run.total_steps) })}`}>
        {run.stages.map(({ steps }, i) => {
          const from = before, length = steps ?? 0, gap = i === run.stages.length - 1 ? 0 : run.total_steps! / 300;
          before += length;
          return <g key={i}><rect x={from} width={Math.max(0, length - gap)} height={1} class="progress-all" /><rect x={from} width={Math.max(0, Math.min(length - gap, step - from))} height={1} class="progress-done" /></g>;
        })}
      </svg>
      <p class="progress-words"><span>{t('run.step')} {t('run.of', { step: number(step), total: number(run.total_steps) })}</span>
        <span>{run.stages.map(({ method, steps }, i) => <span key={i} class={run.stage === i ? 'now' : ''}>{stageWord(method)} {steps !== null && figure(steps)}</span>)}</span></p>
    </div>
  );
}
