// How the model answers in this conversation: system prompt, sampling, thinking and its budget; and whether ratings in it
// may become training data, where the house allows to ask.

import type { JSX } from 'preact';
import type { ConversationSettings } from '../api.ts';
import { t } from '../i18n/index.ts';
import { Dialog } from '../parts/dialog.tsx';
import { studio } from '../parts/house.ts';
import { consent, conversation, set } from './conversation.ts';

const orNull = (text: string): number | null => (text.trim() === '' || !Number.isFinite(Number(text)) ? null : Math.round(Number(text)));

export function SettingsDialog({ onClose }: { onClose: () => void }): JSX.Element {
  const { settings, consent: given } = conversation.value, budgeted = settings.thinking !== 'off';
  const change = (part: Partial<ConversationSettings>): void => { void set(part); };
  const whole = (name: 'seed' | 'max_tokens' | 'thinking_budget', label: string, hint: string, min: number): JSX.Element => (
    <label>{label}<small>{hint}</small><input type="number" min={min} step={1} value={settings[name] ?? ''} onChange={(e) => { const n = orNull(e.currentTarget.value); change({ [name]: n === null ? null : Math.max(min, n) }); }} /></label>
  );
  return (
    <Dialog title={t('set.title')} onClose={onClose}>
      <label>{t('set.system')}<textarea rows={3} value={settings.system} onChange={(e) => change({ system: e.currentTarget.value })} /></label>
      <fieldset class="choices"><legend>{t('set.thinking')}</legend>
        {(['auto', 'on', 'off'] as const).map((way) => <label key={way}><input type="radio" name="thinking" checked={settings.thinking === way} onChange={() => change({ thinking: way })} /><span>{t(`set.thinking.${way}`)}</span></label>)}
      </fieldset>
      <div class="pairs">
        {budgeted && whole('thinking_budget', t('set.budget'), t('set.budget.hint'), 1)}
        {whole('max_tokens', t('set.max'), t('set.max.hint'), 1)}
        <label>{t('set.temperature')}<small>{t('set.temperature.hint')}</small><input type="number" min={0} max={2} step={0.1} value={settings.temperature} onChange={(e) => change({ temperature: Math.min(2, Math.max(0, Number(e.currentTarget.value) || 0)) })} /></label>
        <label>{t('set.top_p')}<small>0 … 1</small><input type="number" min={0.05} max={1} step={0.05} value={settings.top_p} onChange={(e) => change({ top_p: Math.min(1, Math.max(0.01, Number(e.currentTarget.value) || 1)) })} /></label>
        {whole('seed', t('set.seed'), t('set.seed.hint'), 0)}
      </div>
      <p class="aside">{t(given ? 'training.consent' : 'training.never')} {!given && studio.value?.settings.feedback_for_training && t('training.ask')}</p>
      {(studio.value?.settings.feedback_for_training || given) && <button type="button" onClick={() => { void consent(!given); }}>{t(given ? 'training.withdraw' : 'training.give')}</button>}
    </Dialog>
  );
}
