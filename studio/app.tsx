// The frame of the page: where one is, what trains just now, and the settings of this house.

import type { JSX } from 'preact';
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ChatPage } from './chat/chat-page.tsx';
import { HousePage } from './house/house-page.tsx';
import { percent, t } from './i18n/index.ts';
import { LoginPage } from './login-page.tsx';
import { ModelsPage } from './models/models-page.tsx';
import { OwnDialog } from './own-dialog.tsx';
import { isOperator, runs, shelf, starts, studio, training, watchHouse } from './parts/house.ts';
import { Icon, Mark } from './parts/icons.tsx';
import { loginWanted, serverGone } from './parts/poll.ts';
import { goInstead, path, to } from './parts/route.ts';
import './parts/theme.ts';
import { RunsPage } from './runs/runs-page.tsx';

const pages = { chat: ChatPage, runs: RunsPage, models: ModelsPage, house: HousePage } as const;
const names = { chat: 'nav.chat', runs: 'nav.runs', models: 'nav.models', house: 'nav.house' } as const;
type PageName = keyof typeof pages;

const current = (): PageName => (path.value[0] !== undefined && path.value[0] in pages ? (path.value[0] as PageName) : 'chat');

/** Who comes without saying where to sees the chat if there is something to talk with, else the learning. */
function choosePage(): void {
  if (path.value.length > 0 || shelf.value === null || runs.value === null) return;
  if (!isOperator.value) return goInstead('chat');
  const talks = shelf.value.models.some((m) => m.state === 'loaded');
  const [begun] = starts.value;
  if (training.value) goInstead('runs', training.value.name);
  else if (begun) goInstead('runs', begun.run);
  else goInstead(talks || shelf.value.models.length > 0 ? 'chat' : 'runs');
}

export function App(): JSX.Element {
  const settings = useSignal(false), page = studio.value && !isOperator.value ? 'chat' : current(), Page = pages[page], run = training.value;
  useEffect(watchHouse, [loginWanted.value]);
  useSignalEffect(choosePage);
  useEffect(() => {
    document.title = `${t(names[page])} · tiefsuche`;
  });
  if (loginWanted.value) return <LoginPage />;
  return (
    <>
      <a class="skip" href="#content" onClick={(e) => { e.preventDefault(); document.getElementById('content')?.focus(); }}>{t('nav.skip')}</a>
      <header class="bar">
        <a class="wordmark" href={to('chat')} aria-label="tiefsuche"><Mark /><span>tiefsuche</span></a>
        <nav aria-label={t('nav.main')}>
          {(Object.keys(pages) as PageName[]).filter((name) => name === 'chat' || isOperator.value).map((name) => <a key={name} href={to(name)} aria-current={name === page ? 'page' : undefined}>{t(names[name])}</a>)}
        </nav>
        {run && run.step !== null && run.total_steps !== null && (
          <a class="training" href={to('runs', run.name)}><span class="pulse" aria-hidden="true" /><span class="training-name">{run.name} </span>{percent(run.step / run.total_steps)}</a>
        )}
        <button type="button" class="quiet menu" aria-label={t('menu')} onClick={() => { settings.value = true; }}><Icon name="dials" /></button>
      </header>
      {serverGone.value && <p class="gone" role="status">{t('server.gone')}</p>}
      <main id="content" tabIndex={-1} class={`page-${page}`}><Page /></main>
      {settings.value && <OwnDialog onClose={() => { settings.value = false; }} />}
    </>
  );
}
