// One's own settings: language and appearance, one's conversations and ratings as a whole, one's password.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from './api.ts';
import { forgetAll, settled } from './chat/conversation.ts';
import { type Language, chooseLanguage, language, languages, number, reasonOf, t } from './i18n/index.ts';
import { Dialog } from './parts/dialog.tsx';
import { startOver, studio } from './parts/house.ts';
import { type Theme, theme } from './parts/theme.ts';

const themes: readonly Theme[] = ['auto', 'light', 'dark'];

export function OwnDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const me = studio.value, loggedIn = me !== null && me.user.name !== 'local';
  return (
    <Dialog title={t('menu')} onClose={onClose}>
      <fieldset class="choices"><legend>{t('look.language')}</legend>
        {(Object.keys(languages) as Language[]).map((l) => <label key={l}><input type="radio" name="language" checked={language.value === l} onChange={() => chooseLanguage(l)} /><span lang={l}>{languages[l].name}</span></label>)}
      </fieldset>
      <fieldset class="choices"><legend>{t('look.theme')}</legend>
        {themes.map((name) => <label key={name}><input type="radio" name="theme" checked={theme.value === name} onChange={() => { theme.value = name; }} /><span>{t(`look.${name}`)}</span></label>)}
      </fieldset>
      <OwnConversations />
      <OwnFeedback />
      {loggedIn && <PasswordForm />}
      {me && <p class="aside">{t('own.version', { version: me.version, user: me.user.name })}</p>}
      {loggedIn && <button type="button" onClick={() => { void api.logout().then(startOver); }}>{t('logout')}</button>}
    </Dialog>
  );
}

/** All that is kept of oneself: as a file, and its end. */
function OwnConversations(): JSX.Element {
  const said = useSignal(''), days = studio.value?.settings.retention_days ?? null;
  const erase = async (): Promise<void> => {
    if (!confirm(t('own.all.sure'))) return;
    try {
      await settled();
      const { conversations } = await api.eraseOwn();
      await forgetAll();
      said.value = t('own.all.erased', { n: number(conversations) });
    } catch (error) { said.value = reasonOf(error); }
  };
  return (
    <section class="part">
      <h3>{t('own.all.title')}</h3>
      <p class="aside">{t('own.all.text')} {days !== null && t('own.all.retention', { days: number(days) })}</p>
      <p class="row"><a class="button" download href="/api/own">{t('own.all.export')}</a> <button type="button" onClick={() => { void erase(); }}>{t('own.all.erase')}</button> <span role="status">{said.value}</span></p>
    </section>
  );
}

/** What of one's own may be used, and its end. */
function OwnFeedback(): JSX.Element | null {
  const count = useSignal(0), said = useSignal('');
  useEffect(() => { void api.ownFeedback().then(({ records }) => { count.value = records.length; }).catch(() => {}); }, []);
  if (count.value === 0 && said.value === '') return null;
  const erase = async (): Promise<void> => {
    await api.eraseFeedback();
    count.value = 0;
    said.value = t('own.erased');
  };
  return (
    <section class="part">
      <h3>{t('own.title')}</h3>
      <p role="status">{said.value || t('own.count', { n: number(count.value) })}</p>
      {count.value > 0 && <p class="row"><a class="button" href="/api/feedback/own" target="_blank" rel="noopener">{t('own.export')}</a> <button type="button" onClick={() => { void erase(); }}>{t('own.erase')}</button></p>}
    </section>
  );
}

function PasswordForm(): JSX.Element {
  const said = useSignal('');
  const change = async (form: HTMLFormElement): Promise<void> => {
    const values = new FormData(form);
    try {
      await api.changePassword(String(values.get('old')), String(values.get('new')));
      form.reset();
      said.value = t('own.password.done');
    } catch (error) { said.value = reasonOf(error); }
  };
  return (
    <details class="part"><summary>{t('own.password')}</summary>
      <form class="stack" onSubmit={(e) => { e.preventDefault(); void change(e.currentTarget); }}>
        <label>{t('own.password.old')}<input name="old" type="password" autocomplete="current-password" required /></label>
        <label>{t('own.password.new')}<small>{t('users.password.hint')}</small><input name="new" type="password" autocomplete="new-password" minLength={10} required /></label>
        <p class="row"><button class="primary">{t('save')}</button> <span role="status">{said.value}</span></p>
      </form>
    </details>
  );
}
