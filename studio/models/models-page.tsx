// The models that are here: what they are, from what they were made, whether they fit, how fast they are.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { type ShelfModel, addModel, api } from '../api.ts';
import { chooseModel } from '../chat/conversation.ts';
import { bytes, compact, figure, number, percent, reasonOf, t } from '../i18n/index.ts';
import { isOperator, refreshHouse, shelf } from '../parts/house.ts';
import { Icon } from '../parts/icons.tsx';
import { go } from '../parts/route.ts';

export function ModelsPage(): JSX.Element {
  const said = useSignal(''), problem = useSignal<string | null>(null), picker = useRef<HTMLInputElement>(null), here = shelf.value;
  const add = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    problem.value = null;
    try {
      await addModel(file, (share) => { said.value = t('models.adding', { name: file.name, share: percent(share) }); });
      await refreshHouse();
    } catch (error) { problem.value = reasonOf(error); }
    said.value = '';
  };
  const act = async (work: Promise<unknown>): Promise<void> => {
    problem.value = null;
    try {
      await work;
      await refreshHouse();
    } catch (error) { problem.value = reasonOf(error); }
  };
  return (
    <div class="sheet">
      <header class="sheet-head">
        <h1>{t('models.title')}</h1>
        {here && <p class="aside">{t('models.free', { free: bytes(here.free_bytes) })}</p>}
        {isOperator.value && (
          <>
            <input ref={picker} type="file" accept=".gguf" class="unseen" tabIndex={-1} aria-label={t('models.add')} onChange={(e) => { void add(e.currentTarget.files?.[0]); }} />
            <button type="button" disabled={said.value !== ''} onClick={() => picker.current?.click()}><Icon name="plus" />{t('models.add')}</button>
          </>
        )}
      </header>
      <p role="status">{said.value}</p>
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
      {here?.models.length === 0 && <p>{t('models.none')}</p>}
      <ul class="shelf">{here?.models.map((m) => <li key={m.id}><ModelCard model={m} act={act} /></li>)}</ul>
    </div>
  );
}

function ModelCard({ model: m, act }: { model: ShelfModel; act: (work: Promise<unknown>) => Promise<void> }): JSX.Element {
  const own = m.from !== 'file';
  const speed = m.tokens_per_second === null || m.speed_from === null ? t('model.speed.unknown') : t(`model.speed.${m.speed_from}`, { n: figure(m.tokens_per_second) });
  const facts: [string, string | null][] = [
    [t('model.made'), m.made_from], [t('model.licence'), m.licence ?? t(own ? 'model.licence.own' : 'model.licence.none')],
    [t('model.parameters'), m.parameters === null ? null : `${compact(m.parameters)}${m.type === null ? '' : `, ${m.type}`}`], [t('model.size'), m.bytes === null ? null : bytes(m.bytes)],
    [t('model.context'), m.context === null ? null : t('model.tokens', { n: number(m.context) })], [t('model.memory'), m.fits === null ? null : m.fits ? t('model.fits') : t('model.fitsnot', { bytes: bytes(m.bytes_needed ?? 0) })],
    [t('model.speed'), m.state === 'unreadable' ? null : speed], [t('model.hash'), m.weights_sha256],
  ];
  return (
    <article class="card">
      <header>
        <h2>{m.id}{m.step !== null && <small> · {t('chat.step', { step: number(m.step) })}</small>}</h2>
        <p><span class={`state state-${m.state}`}>{t(`model.state.${m.state}`)}</span> <span class="aside">{t(`model.from.${m.from}`)}</span></p>
      </header>
      {m.error !== null && <p class="problem">{m.error}</p>}
      <dl class="card-facts">{facts.map(([name, value]) => value !== null && <div key={name}><dt>{name}</dt><dd class={name === t('model.hash') ? 'hash' : ''}>{value}</dd></div>)}</dl>
      <p class="card-actions">
        {m.state === 'loaded' && <button type="button" class="primary" onClick={() => { chooseModel(m.id); go('chat'); }}>{t('models.talk')}</button>}
        {isOperator.value && (m.state === 'here' || m.state === 'failed') && <button type="button" onClick={() => { void act(api.load(m.id)); }}>{t('models.load')}</button>}
        {isOperator.value && m.state === 'loaded' && <button type="button" onClick={() => { void act(api.unload(m.id)); }}>{t('models.unload')}</button>}
        {isOperator.value && m.from === 'file' && <button type="button" class="quiet" onClick={() => { if (confirm(t('models.remove.sure', { name: m.id }))) void act(api.removeModel(m.id)); }}><Icon name="trash" /><span>{t('models.remove')}</span></button>}
      </p>
    </article>
  );
}
