// Settings: language and appearance for oneself; contact, retention and feedback for the house, by its operator.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { api } from './api.ts';
import { type Language, chooseLanguage, language, languages, number, t } from './i18n/index.ts';
import { Dialog } from './parts/dialog.tsx';
import { isOperator, studio } from './parts/house.ts';
import { loginWanted } from './parts/poll.ts';
import { type Theme, theme } from './parts/theme.ts';

const themes: readonly Theme[] = ['auto', 'light', 'dark'];

export function HouseDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const me = studio.value;
  return (
    <Dialog title={t('menu')} onClose={onClose}>
      <fieldset class="choices"><legend>{t('look.language')}</legend>
        {(Object.keys(languages) as Language[]).map((l) => <label key={l}><input type="radio" name="language" checked={language.value === l} onChange={() => chooseLanguage(l)} /><span lang={l}>{languages[l].name}</span></label>)}
      </fieldset>
      <fieldset class="choices"><legend>{t('look.theme')}</legend>
        {themes.map((name) => <label key={name}><input type="radio" name="theme" checked={theme.value === name} onChange={() => { theme.value = name; }} /><span>{t(`look.${name}`)}</span></label>)}
      </fieldset>
      <OwnFeedback />
      {isOperator.value && <HouseForm />}
      {me && <p class="aside">{t('house.version', { version: me.version, user: me.user.name })}</p>}
      {me && me.user.name !== 'local' && <button type="button" onClick={() => { void api.logout().then(() => { studio.value = null; loginWanted.value = true; }); }}>{t('logout')}</button>}
    </Dialog>
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
    <div class="own">
      <h3>{t('own.title')}</h3>
      <p role="status">{said.value || t('own.count', { n: number(count.value) })}</p>
      {count.value > 0 && <p><a class="button" href="/api/feedback/own" target="_blank" rel="noopener">{t('own.export')}</a> <button type="button" onClick={() => { void erase(); }}>{t('own.erase')}</button></p>}
    </div>
  );
}

function HouseForm(): JSX.Element {
  const settings = studio.value!.settings, said = useSignal('');
  const save = async (form: HTMLFormElement): Promise<void> => {
    const values = new FormData(form), days = String(values.get('retention'));
    try {
      const kept = await api.setStudio({ contact: String(values.get('contact')), retention_days: days === '' ? null : Number(days), feedback_for_training: values.get('feedback') !== null });
      studio.value = { ...studio.value!, settings: kept };
      said.value = t('house.saved');
    } catch (error) { said.value = (error as Error).message; }
  };
  const collect = async (): Promise<void> => {
    try {
      const { records, authors, path } = await api.collectFeedback();
      said.value = t('house.collected', { n: number(records), authors: number(authors), path });
    } catch (error) { said.value = (error as Error).message; }
  };
  return (
    <form class="house" onSubmit={(e) => { e.preventDefault(); void save(e.currentTarget); }}>
      <h3>{t('house.title')}</h3>
      <label>{t('house.contact')}<input name="contact" defaultValue={settings.contact} maxLength={500} /></label>
      <label>{t('house.retention')}<small>{t('house.retention.hint')}</small><input name="retention" type="number" min={1} max={36500} defaultValue={settings.retention_days ?? ''} /></label>
      <label class="check"><input name="feedback" type="checkbox" defaultChecked={settings.feedback_for_training} /><span>{t('house.feedback')}</span></label>
      <p><button class="primary">{t('save')}</button> {settings.feedback_for_training && <button type="button" onClick={() => { void collect(); }}>{t('house.collect')}</button>} <span role="status">{said.value}</span></p>
    </form>
  );
}
