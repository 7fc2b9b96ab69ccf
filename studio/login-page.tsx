// Where this server has users: who are you?

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { api } from './api.ts';
import { reasonOf, t } from './i18n/index.ts';
import { Mark } from './parts/icons.tsx';
import { loginWanted } from './parts/poll.ts';

export function LoginPage(): JSX.Element {
  const failed = useSignal<string | null>(null);
  const login = async (form: HTMLFormElement): Promise<void> => {
    const said = new FormData(form);
    try {
      await api.login(String(said.get('name')), String(said.get('password')));
      loginWanted.value = false;
    } catch (error) { failed.value = reasonOf(error); }
  };
  return (
    <main class="login">
      <form onSubmit={(e) => { e.preventDefault(); void login(e.currentTarget); }}>
        <h1><Mark />tiefsuche</h1>
        <label>{t('login.name')}<input name="name" autocomplete="username" required /></label>
        <label>{t('login.password')}<input name="password" type="password" autocomplete="current-password" required /></label>
        {failed.value !== null && <p class="problem" role="alert">{failed.value}</p>}
        <button class="primary">{t('login.go')}</button>
      </form>
    </main>
  );
}
