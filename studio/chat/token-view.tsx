// An answer token by token, each as dark as the model was sure of it; a token chosen shows what it could have been.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { percent, t } from '../i18n/index.ts';
import type { TokenLogprob } from './conversation.ts';

const shown = (token: string): string => token.replaceAll('\n', '⏎').replaceAll(' ', '·') || '∅';
const share = (logprob: number): string => { const p = Math.exp(logprob); return p < 0.0005 ? `< ${percent(0.001, 1)}` : percent(p, 1); };
/** Five steps from sure to unsure: a class each, as the page has no inline styles. */
const doubt = (logprob: number): number => { const p = Math.exp(logprob); return p > 0.95 ? 0 : p > 0.8 ? 1 : p > 0.5 ? 2 : p > 0.2 ? 3 : 4; };

export function TokenView({ tokens }: { tokens: readonly TokenLogprob[] }): JSX.Element {
  const chosen = useSignal<number | null>(null), token = chosen.value === null ? null : tokens[chosen.value];
  const part = (thinking: boolean): JSX.Element => (
    <p class={thinking ? 'tokens tokens-thought' : 'tokens'}>
      {tokens.map((entry, i) => entry.thinking === thinking && (
        <button key={i} type="button" class={`token doubt-${doubt(entry.logprob)}`} aria-pressed={chosen.value === i} aria-label={`${shown(entry.token)}, ${share(entry.logprob)}`} onClick={() => { chosen.value = i; }}>{shown(entry.token)}</button>
      ))}
    </p>
  );
  return (
    <div class="token-view">
      {tokens.some((entry) => entry.thinking) && part(true)}
      {part(false)}
      <div class="token-odds" role="status">
        {token ? (
          <>
            <p>{t('token.of', { token: shown(token.token), share: share(token.logprob) })}</p>
            <dl>{token.top_logprobs.map(({ token: other, logprob }, i) => <div key={i}><dt>{shown(other)}</dt><dd><meter min={0} max={1} value={Math.exp(logprob)} aria-label={shown(other)} /> {share(logprob)}</dd></div>)}</dl>
          </>
        ) : <p>{t('token.pick')}</p>}
      </div>
    </div>
  );
}
