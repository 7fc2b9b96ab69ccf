// Whom to ask about this system, how long conversations are kept, and whether ratings may become training data.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { api } from '../api.ts';
import { number, reasonOf, t } from '../i18n/index.ts';
import { studio } from '../parts/house.ts';

export function Rules(): JSX.Element | null {
  const said = useSignal(''), settings = studio.value?.settings;
  if (!settings) return null;
  const save = async (form: HTMLFormElement): Promise<void> => {
    const values = new FormData(form), days = String(values.get('retention'));
    try {
      const kept = await api.setStudio({ contact: String(values.get('contact')), retention_days: days === '' ? null : Number(days), feedback_for_training: values.get('feedback') !== null });
      studio.value = { ...studio.value!, settings: kept };
      said.value = t('house.saved');
    } catch (error) { said.value = reasonOf(error); }
  };
  const collect = async (): Promise<void> => {
    try {
      const { records, authors, path } = await api.collectFeedback();
      said.value = t('house.collected', { n: number(records), authors: number(authors), path });
    } catch (error) { said.value = reasonOf(error); }
  };
  return (
    <form class="stack narrow" onSubmit={(e) => { e.preventDefault(); void save(e.currentTarget); }}>
      <label>{t('house.contact')}<small>{t('house.contact.hint')}</small><input name="contact" defaultValue={settings.contact} maxLength={500} /></label>
      <label>{t('house.retention')}<small>{t('house.retention.hint')}</small><input name="retention" type="number" min={1} max={36500} defaultValue={settings.retention_days ?? ''} /></label>
      <label class="check"><input name="feedback" type="checkbox" defaultChecked={settings.feedback_for_training} /><span>{t('house.feedback')}</span></label>
      <p class="row"><button class="primary">{t('save')}</button> {settings.feedback_for_training && <button type="button" onClick={() => { void collect(); }}>{t('house.collect')}</button>} <span role="status">{said.value}</span></p>
    </form>
  );
}
