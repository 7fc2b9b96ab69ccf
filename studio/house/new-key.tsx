// A new key for someone's programs: named, made, shown once.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { api } from '../api.ts';
import { reasonOf, t } from '../i18n/index.ts';
import { Icon } from '../parts/icons.tsx';

export function NewKey({ name, onMade }: { name: string; onMade: () => void }): JSX.Element {
  const asked = useSignal(false), key = useSignal<string | null>(null), problem = useSignal<string | null>(null), copied = useSignal(false);
  const make = async (form: HTMLFormElement): Promise<void> => {
    problem.value = null;
    try {
      key.value = (await api.addKey(name, String(new FormData(form).get('label')).trim())).key;
      asked.value = false;
      onMade();
    } catch (error) { problem.value = reasonOf(error); }
  };
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(key.value ?? '');
    copied.value = true;
  };
  if (key.value !== null) {
    return (
      <div class="new-key" role="status">
        <p>{t('users.key.once')}</p>
        <code>{key.value}</code>
        <p class="row"><button type="button" onClick={() => { void copy(); }}><Icon name="copy" />{t(copied.value ? 'turn.copied' : 'turn.copy')}</button> <button type="button" onClick={() => { key.value = null; copied.value = false; }}>{t('users.key.done')}</button></p>
      </div>
    );
  }
  if (!asked.value) return <p><button type="button" class="quiet" aria-label={t('users.key.new.for', { name })} onClick={() => { asked.value = true; }}><Icon name="plus" /><span>{t('users.key.new')}</span></button></p>;
  return (
    <form class="key-form" onSubmit={(e) => { e.preventDefault(); void make(e.currentTarget); }}>
      <label>{t('users.key.label')}<input name="label" maxLength={100} ref={(box) => box?.focus()} /></label>
      <button class="primary">{t('users.key.make')}</button> <button type="button" onClick={() => { asked.value = false; }}>{t('cancel')}</button>
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
    </form>
  );
}
