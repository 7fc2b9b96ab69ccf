// The chat: conversations at the side, the one that is open, and the place to write.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { exportPath } from '../api.ts';
import { language, t } from '../i18n/index.ts';
import { isOperator, runs, shelf, starts, studio, training } from '../parts/house.ts';
import { Icon } from '../parts/icons.tsx';
import { path, to } from '../parts/route.ts';
import { announced } from './announcer.ts';
import { ChatList } from './chat-list.tsx';
import { Composer } from './composer.tsx';
import { answering, chooseModel, conversation, live, open, remove, send, trouble } from './conversation.ts';
import { AnswerTurn, QuestionTurn } from './turn.tsx';

export function ChatPage(): JSX.Element {
  const listed = useSignal(false), id = path.value[1], end = useRef<HTMLDivElement>(null), scroll = useRef<HTMLDivElement>(null);
  const { messages } = conversation.value, growing = live.value;
  useEffect(() => { void open(id); }, [id]);
  useEffect(() => { // what is named gets loaded, so that the first question need not wait
    const model = answering.value;
    if (model?.state === 'here' && isOperator.value) chooseModel(model.id);
  }, [answering.value?.id, answering.value?.state, isOperator.value]);
  useEffect(() => { // stays at the end while one looks there
    const box = scroll.current;
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < 260) box.scrollTop = box.scrollHeight;
  }, [growing?.answer, messages.length]);
  return (
    <div class={`chat${listed.value ? ' chat-listed' : ''}`}>
      <ChatList onChosen={() => { listed.value = false; }} />
      <section class="conversation" aria-label={t('nav.chat')}>
        <div class="conversation-bar">
          <button type="button" class="quiet show-list" aria-expanded={listed.value} aria-label={t('chat.open')} onClick={() => { listed.value = !listed.value; }}><Icon name="menu" /></button>
          <h1>{conversation.value.title || t('chat.new')}</h1>
          {messages.length > 0 && !growing && <ConversationMenu />}
        </div>
        <div class="scroll" ref={scroll} tabIndex={0} role="group" aria-label={t('nav.chat')}>
          <div class="turns">
            {messages.length === 0 && !growing && <Opening />}
            {messages.map((m, i) => (m.role === 'user' ? <QuestionTurn key={m.time} question={m} place={i} /> : <AnswerTurn key={m.time} answer={m} place={i} growing={false} thinking={false} />))}
            {growing && <AnswerTurn key={growing.answer.time} answer={growing.answer} place={growing.place} growing thinking={growing.thinking} />}
            {trouble.value !== null && <p class="problem" role="alert">{trouble.value}</p>}
            <div ref={end} />
          </div>
        </div>
        {answering.value ? <Composer /> : <NoModel />}
      </section>
      <div class="unseen" role="log" aria-live="polite" aria-relevant="additions">{announced.value.map((s, i) => <p key={i}>{s}</p>)}</div>
    </div>
  );
}

/** Who is talking here, before anything is said; and what one might ask. */
function Opening(): JSX.Element {
  const model = answering.value, contact = studio.value?.settings.contact ?? '';
  return (
    <div class="opening">
      <p class="hello">{t('chat.hello')}</p>
      <div class="notice" role="note">
        <p><strong>{t('notice.title')}</strong> {model && t('notice.text', { model: model.id })} {contact !== '' && t('notice.contact', { contact })}</p>
      </div>
      {model && model.state === 'loading' && <p class="aside" role="status">{t('chat.loading', { model: model.id })}</p>}
      {model && model.state === 'failed' && <p class="problem" role="alert">{model.error}</p>}
      {model && model.examples.length > 0 && (
        <div class="examples">
          <p>{t('chat.examples')} {model.single_turn && <span class="aside">{t('chat.single')}</span>}</p>
          <ul>{model.examples.map((e) => <li key={e}><button type="button" disabled={model.state !== 'loaded'} onClick={() => { void send(e, []); }}>{e}</button></li>)}</ul>
        </div>
      )}
    </div>
  );
}

function NoModel(): JSX.Element | null {
  if (shelf.value === null || runs.value === null) return null;
  const run = training.value?.name ?? starts.value.find((s) => s.state === 'starting')?.run;
  return (
    <div class="no-model">
      <p>{t('chat.nomodel')} {run && t('chat.nomodel.training')}</p>
      <p>{!isOperator.value ? null : run ? <a class="primary" href={to('runs', run)}>{t('chat.nomodel.watch')}</a>
        : <><a class="primary" href={to('runs')}>{t('chat.nomodel.train')}</a> <a class="button" href={to('models')}>{t('chat.nomodel.add')}</a></>}</p>
    </div>
  );
}

function ConversationMenu(): JSX.Element {
  const { id } = conversation.value;
  return (
    <div class="conversation-menu">
      <span>{t('chat.export')}</span>
      {(['markdown', 'json'] as const).map((format) => <a key={format} class="button" download href={exportPath(id, format, language.value)}>{t(`chat.export.${format}`)}</a>)}
      <button type="button" class="quiet" aria-label={t('chat.delete')} title={t('chat.delete')} onClick={() => { if (confirm(t('chat.delete.sure'))) void remove(id); }}><Icon name="trash" /></button>
    </div>
  );
}

