// One's own conversations, with a search over their words.

import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { Icon } from '../parts/icons.tsx';
import { to } from '../parts/route.ts';
import { conversation, entries, refreshEntries, search } from './conversation.ts';

export function ChatList({ onChosen }: { onChosen: () => void }): JSX.Element {
  useEffect(() => {
    const timer = setTimeout(() => { void refreshEntries().catch(() => {}); }, search.value === '' ? 0 : 200);
    return () => clearTimeout(timer);
  }, [search.value]);
  return (
    <nav class="chat-list" aria-label={t('chat.list')}>
      <a class="new-chat" href={to('chat')} onClick={onChosen}><Icon name="plus" />{t('chat.new')}</a>
      <input type="search" aria-label={t('chat.search')} placeholder={t('chat.search')} value={search.value} onInput={(e) => { search.value = e.currentTarget.value; }} />
      <ul>
        {entries.value.map((c) => (
          <li key={c.id}><a href={to('chat', c.id)} aria-current={c.id === conversation.value.id ? 'true' : undefined} onClick={onChosen}>{c.title}{c.found !== null && <small>{c.found}</small>}</a></li>
        ))}
      </ul>
      {entries.value.length === 0 && <p class="aside">{t(search.value === '' ? 'chat.none' : 'chat.nothing')}</p>}
    </nav>
  );
}
