// Where one writes: text that grows with what is written, files with what they take of the context, send and stop.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type Attachment, api } from '../api.ts';
import { number, reasonOf, t } from '../i18n/index.ts';
import { shelf } from '../parts/house.ts';
import { Icon } from '../parts/icons.tsx';
import { serverGone } from '../parts/poll.ts';
import { acceptedFiles, textOf, withAttachments } from './attachments.ts';
import { answering, chooseModel, contextUsed, conversation, draft, live, send, stop, write } from './conversation.ts';
import { SettingsDialog } from './settings-dialog.tsx';

export function Composer(): JSX.Element {
  const files = useSignal<readonly Attachment[]>([]), failures = useSignal<readonly string[]>([]), settings = useSignal(false);
  const box = useRef<HTMLTextAreaElement>(null), picker = useRef<HTMLInputElement>(null), counted = useRef(new WeakSet<Attachment>()), model = answering.value, busy = live.value !== null;
  const loaded = model?.state === 'loaded', ready = loaded && !serverGone.value, context = model?.context ?? null;

  useEffect(() => { // as high as its text
    if (!box.current) return;
    box.current.style.height = 'auto';
    box.current.style.height = `${Math.min(box.current.scrollHeight, 240)}px`;
  }, [draft.value]);
  useEffect(() => {
    const key = (e: KeyboardEvent): void => { if (e.key === 'Escape' && live.value) stop(); };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  }, []);

  useEffect(() => { // what a file takes of the context is known once the model is there
    if (!model || !loaded) return;
    for (const file of files.value.filter((f) => f.tokens === null && !counted.current.has(f))) {
      counted.current.add(file);
      api.count(model.id, [{ role: 'user', content: withAttachments('', [file]) }]).then(
        ({ tokens }) => { files.value = files.value.map((f) => (f === file ? { ...f, tokens } : f)); },
        (error: unknown) => { counted.current.delete(file); files.value = files.value.filter((f) => f !== file); failures.value = [...failures.value, t('attach.failed', { name: file.name, error: reasonOf(error) })]; });
    }
  }, [model?.id, loaded, files.value]);

  const attach = async (list: FileList | null): Promise<void> => {
    failures.value = [];
    for (const file of list ?? []) {
      try {
        const text = await textOf(file);
        files.value = [...files.value, { name: file.name, text, tokens: null }];
      } catch (error) { failures.value = [...failures.value, t('attach.failed', { name: file.name, error: reasonOf(error) })]; }
    }
    if (picker.current) picker.current.value = '';
  };
  const taken = files.value.reduce((n, f) => n + (f.tokens ?? 0), 0), toolong = context !== null && taken >= context;
  const go = (): void => {
    if (busy || !ready || toolong || (draft.value.trim() === '' && files.value.length === 0)) return;
    const [content, attachments] = [draft.value.trim(), files.value];
    write('');
    files.value = [];
    void send(content, attachments);
  };

  return (
    <form class="composer" onSubmit={(e) => { e.preventDefault(); go(); }} onDragOver={(e) => e.preventDefault()} onDrop={(e) => { e.preventDefault(); void attach(e.dataTransfer?.files ?? null); }}>
      {files.value.length > 0 && (
        <ul class="files">
          {files.value.map((f, i) => (
            <li key={i}><Icon name="clip" />{f.name}<small>{f.tokens === null ? (loaded ? t('attach.counting') : '') : t('attach.tokens', { n: number(f.tokens), context: number(context ?? 0) })}</small>
              <button type="button" class="quiet" aria-label={t('attach.remove', { name: f.name })} onClick={() => { files.value = files.value.filter((other) => other !== f); }}><Icon name="close" /></button></li>
          ))}
        </ul>
      )}
      {toolong && <p class="problem" role="alert">{t('attach.toolong', { tokens: number(taken), context: number(context) })}</p>}
      {failures.value.map((f, i) => <p key={i} class="problem" role="alert">{f}</p>)}
      <div class="composer-box">
        <textarea ref={box} rows={1} aria-label={t('chat.ask')} placeholder={model ? t('chat.placeholder', { model: model.id }) : ''} value={draft.value}
          onInput={(e) => write(e.currentTarget.value)} onKeyDown={(e) => { if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); go(); } }} />
        <div class="composer-tools">
          <input ref={picker} type="file" multiple accept={acceptedFiles} class="unseen" tabIndex={-1} aria-label={t('chat.attach')} onChange={(e) => { void attach(e.currentTarget.files); }} />
          <button type="button" class="quiet" aria-label={t('chat.attach')} title={t('chat.attach')} onClick={() => picker.current?.click()}><Icon name="clip" /></button>
          <button type="button" class="quiet" aria-label={t('set.title')} title={t('set.title')} onClick={() => { settings.value = true; }}><Icon name="dials" /></button>
          <ModelChoice />
          {busy ? <button type="button" class="round" aria-label={t('chat.stop')} title={t('chat.stop')} onClick={stop}><Icon name="stop" /></button>
            : <button class="round" aria-label={t('chat.send')} title={t('chat.send')} disabled={!ready || toolong}><Icon name="send" /></button>}
        </div>
      </div>
      <p class="composer-foot">
        <TrainingUse />
        {contextUsed.value !== null && context !== null && <span title={t('chat.context.title')}>{t('chat.context', { tokens: number(contextUsed.value), context: number(context) })}</span>}
      </p>
      {settings.value && <SettingsDialog onClose={() => { settings.value = false; }} />}
    </form>
  );
}

function ModelChoice(): JSX.Element | null {
  const model = answering.value, models = shelf.value?.models.filter((m) => m.state !== 'unreadable') ?? [];
  if (!model) return null;
  return (
    <label class="model-choice"><span class="unseen">{t('chat.model')}</span>
      <select value={model.id} onChange={(e) => chooseModel(e.currentTarget.value)}>
        {models.map((m) => <option key={m.id} value={m.id}>{m.id}{m.step !== null ? ` · ${t('chat.step', { step: number(m.step) })}` : ''}{m.state === 'loading' ? ' …' : ''}</option>)}
      </select>
    </label>
  );
}

/** Whether anything typed here is used for training: said at all times. */
export function TrainingUse(): JSX.Element {
  return <span class="training-use">{t(conversation.value.consent ? 'training.consent' : 'training.never')}</span>;
}
