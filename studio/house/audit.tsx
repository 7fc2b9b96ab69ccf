// The record of answers: sums by user and model, the latest answers, and the deletion of what need not be kept.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { type AuditReport, api } from '../api.ts';
import { day, duration, euro, joules, moment, number, reasonOf, t } from '../i18n/index.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Table } from '../parts/table.tsx';

const dayAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
const costOf = (joulesUsed: number, price: number): string => euro((joulesUsed / 3.6e6) * price);

export function Audit(): JSX.Element {
  const filter = useSignal({ from: dayAgo(30), to: '', user: '' }), report = useSignal<AuditReport | null>(null), problem = useSignal<string | null>(null), said = useSignal('');
  const load = async (): Promise<void> => {
    problem.value = null;
    try { report.value = await api.audit(filter.value); } catch (error) { problem.value = reasonOf(error); }
  };
  useEffect(() => { void load(); }, [filter.value]);
  const change = (part: Partial<typeof filter.value>): void => { filter.value = { ...filter.value, ...part }; };
  const told = report.value, { from, to, user } = filter.value;
  return (
    <>
      {told && <p class="lead">{t(`audit.recording.${told.recording}`)}</p>}
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
      <form class="filter" onSubmit={(e) => { e.preventDefault(); void load(); }}>
        <label>{t('audit.from')}<input type="date" value={from} onChange={(e) => change({ from: e.currentTarget.value })} /></label>
        <label>{t('audit.to')}<input type="date" value={to} onChange={(e) => change({ to: e.currentTarget.value })} /></label>
        <label>{t('audit.user')}<select value={user} onChange={(e) => change({ user: e.currentTarget.value })}><option value="">{t('audit.user.all')}</option>{[...new Set([...(told?.users ?? []), ...(user === '' ? [] : [user])])].map((u) => <option key={u} value={u}>{u}</option>)}</select></label>
        <button>{t('audit.refresh')}</button>
      </form>
      {told && told.records.length === 0 && <p class="aside">{t('audit.none')}</p>}
      {told && told.records.length > 0 && <><Sums report={told} /><Records report={told} /></>}
      {told && told.days.length > 0 && <Purge days={told.days} onDone={(n) => { said.value = t('audit.purge.done', { n: number(n) }); void load(); }} />}
      <p role="status">{said.value}</p>
    </>
  );
}

function Sums({ report: { sums, euro_per_kwh: price } }: { report: AuditReport }): JSX.Element {
  const all = sums.reduce((a, s) => ({ answers: a.answers + s.answers, prompt_tokens: a.prompt_tokens + s.prompt_tokens, completion_tokens: a.completion_tokens + s.completion_tokens, seconds: a.seconds + s.seconds, joules: a.joules + s.joules }), { answers: 0, prompt_tokens: 0, completion_tokens: 0, seconds: 0, joules: 0 });
  const figures = (s: typeof all): JSX.Element[] => [number(s.answers), number(s.prompt_tokens), number(s.completion_tokens), duration(s.seconds), joules(s.joules), costOf(s.joules, price)].map((text, i) => <td key={i} class="amount">{text}</td>);
  return (
    <Table title={t('audit.sums')} hint={t('run.cost.hint', { price: euro(price) })} columns={[t('audit.user'), t('chat.model'), t('audit.answers'), t('audit.prompt'), t('audit.completion'), t('audit.seconds'), t('run.energy'), t('run.cost')]} words={2}>
      <tbody>{sums.map((s) => <tr key={`${s.user} ${s.model}`}><th scope="row">{s.user}</th><td>{s.model}</td>{figures(s)}</tr>)}</tbody>
      {sums.length > 1 && <tfoot><tr><th scope="row" colSpan={2}>{t('audit.total')}</th>{figures(all)}</tr></tfoot>}
    </Table>
  );
}

const knownEnds = ['stop', 'length', 'tool_calls', 'client', 'refused', 'embedding'] as const;
const endWord = (finish: string): string => { const known = knownEnds.find((k) => k === finish); return known === undefined ? finish : t(`audit.end.${known}`); };

function Records({ report: { records, more } }: { report: AuditReport }): JSX.Element {
  return (
    <Table title={t('audit.records')} hint={more ? t('audit.more', { n: number(records.length) }) : ''} columns={[t('audit.time'), t('audit.user'), t('chat.model'), t('audit.end'), t('audit.prompt'), t('audit.completion'), t('audit.reasoning'), t('audit.seconds'), t('run.energy')]} words={4}>
      <tbody>{records.map((r) => (
        <tr key={r.id}><th scope="row">{moment(r.time)}</th><td>{r.user}</td><td title={r.weights_sha256 ?? undefined}>{r.model}</td><td>{[...new Set(r.finish)].map(endWord).join(', ')}</td>
          <td class="amount">{number(r.prompt_tokens)}</td><td class="amount">{number(r.completion_tokens)}</td><td class="amount">{number(r.reasoning_tokens)}</td><td class="amount">{duration(r.seconds)}</td><td class="amount" title={t('energy.title', { method: r.energy_method })}>{r.joules === null ? '–' : joules(r.joules)}</td></tr>
      ))}</tbody>
    </Table>
  );
}

/** Two acts: which days, and then, seeing what goes, that they go. */
function Purge({ days, onDone }: { days: readonly string[]; onDone: (deleted: number) => void }): JSX.Element {
  const before = useSignal(''), asking = useSignal(false), problem = useSignal<string | null>(null), gone = days.filter((d) => d < before.value);
  const purge = async (): Promise<void> => {
    asking.value = false;
    problem.value = null;
    try {
      onDone((await api.purgeAudit(before.value)).deleted.length);
      before.value = '';
    } catch (error) { problem.value = reasonOf(error); }
  };
  return (
    <section class="part">
      <h2>{t('audit.purge')}</h2>
      <p class="aside">{t('audit.purge.text', { n: number(days.length), from: day(days[0]!), to: day(days.at(-1)!) })}</p>
      <form class="filter" onSubmit={(e) => { e.preventDefault(); asking.value = gone.length > 0; }}>
        <label>{t('audit.purge.before')}<input type="date" required value={before.value} onInput={(e) => { before.value = e.currentTarget.value; }} /></label>
        <button disabled={gone.length === 0}>{t('audit.purge.ask')}</button>
        {before.value !== '' && gone.length === 0 && <span class="aside">{t('audit.purge.nothing')}</span>}
      </form>
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
      {asking.value && (
        <Dialog title={t('audit.purge')} onClose={() => { asking.value = false; }}>
          <p>{t('audit.purge.sure', { n: number(gone.length), from: day(gone[0]!), to: day(gone.at(-1)!) })}</p>
          <p class="row"><button type="button" class="danger" onClick={() => { void purge(); }}>{t('audit.purge.go')}</button> <button type="button" onClick={() => { asking.value = false; }}>{t('cancel')}</button></p>
        </Dialog>
      )}
    </section>
  );
}
