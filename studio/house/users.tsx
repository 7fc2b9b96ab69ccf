// Who may use this server, with which role and keys. A new key is shown once.

import type { JSX } from 'preact';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type Role, ServerError, type Users as UserList, api } from '../api.ts';
import { moment, reasonOf, t } from '../i18n/index.ts';
import { Dialog } from '../parts/dialog.tsx';
import { studio } from '../parts/house.ts';
import { Icon } from '../parts/icons.tsx';
import { NewKey } from './new-key.tsx';

type User = UserList['users'][number];
/** Shows what the server answers, or why not; true: it was done. What `unless` takes care of is not shown. */
type Act = (work: Promise<UserList>, unless?: (error: unknown) => boolean) => Promise<boolean>;

const roles: readonly Role[] = ['user', 'operator'];

export function Users(): JSX.Element {
  const users = useSignal<readonly User[] | null>(null), problem = useSignal<string | null>(null);
  const act: Act = async (work, unless) => {
    problem.value = null;
    try {
      users.value = (await work).users;
      return true;
    } catch (error) {
      if (!unless?.(error)) problem.value = reasonOf(error);
      return false;
    }
  };
  useEffect(() => { void act(api.users()); }, []);
  const all = users.value;
  return (
    <>
      {problem.value !== null && <p class="problem" role="alert">{problem.value}</p>}
      {all?.length === 0 && <p class="lead">{t('users.none')}</p>}
      {all && all.length > 0 && <ul class="people">{all.map((u) => <li key={u.name}><UserCard user={u} act={act} /></li>)}</ul>}
      {all && <AddUser act={act} first={all.length === 0} />}
    </>
  );
}

function UserCard({ user: { name, role, created, password, keys }, act }: { user: User; act: Act }): JSX.Element {
  const removing = useSignal(false), oneself = name === studio.value?.user.name;
  const reload = (): void => { void act(api.users()); };
  return (
    <article class="card">
      <header class="person">
        <h2>{name}{oneself && <small> · {t('users.you')}</small>}</h2>
        <label class="inline"><span>{t('users.role')}</span>
          <select value={role} disabled={oneself} onChange={(e) => { void act(api.setRole(name, e.currentTarget.value as Role)); }}>{roles.map((r) => <option key={r} value={r}>{t(`users.role.${r}`)}</option>)}</select>
        </label>
      </header>
      <div>
        <p class="aside">{t('users.added', { time: moment(created) })} · {t(password ? 'users.login.password' : 'users.login.none')}</p>
        {keys.length > 0 && (
          <ul class="keys" aria-label={t('users.keys')}>
            {keys.map((k) => <li key={k.id}><code>{k.id}</code> {k.label} <small>{moment(k.created)}</small>
              <button type="button" class="quiet" aria-label={t('users.key.revoke.of', { id: k.id })} onClick={() => { if (confirm(t('users.key.revoke.sure', { id: k.id, name }))) void act(api.revokeKey(name, k.id)); }}>{t('users.key.revoke')}</button></li>)}
          </ul>
        )}
        <NewKey name={name} onMade={reload} />
      </div>
      {!oneself && <p class="card-actions"><button type="button" class="quiet" onClick={() => { removing.value = true; }}><Icon name="trash" /><span>{t('users.remove', { name })}</span></button></p>}
      {removing.value && <RemoveUser name={name} act={act} onClose={() => { removing.value = false; }} />}
    </article>
  );
}

function RemoveUser({ name, act, onClose }: { name: string; act: Act; onClose: () => void }): JSX.Element {
  const remove = async (form: HTMLFormElement): Promise<void> => {
    const conversations = new FormData(form).get('conversations') === null ? 'keep' : 'delete';
    onClose();
    await act(api.removeUser(name, conversations));
  };
  return (
    <Dialog title={t('users.remove', { name })} onClose={onClose}>
      <form class="stack" onSubmit={(e) => { e.preventDefault(); void remove(e.currentTarget); }}>
        <p>{t('users.remove.text', { name })}</p>
        <label class="check"><input name="conversations" type="checkbox" defaultChecked /><span>{t('users.remove.conversations')}</span></label>
        <p class="row"><button class="danger">{t('users.remove.go')}</button> <button type="button" onClick={onClose}>{t('cancel')}</button></p>
      </form>
    </Dialog>
  );
}

function AddUser({ act, first }: { act: Act; first: boolean }): JSX.Element {
  const login = useSignal(true), form = useRef<HTMLFormElement>(null), earlier = useSignal<string | null>(null);
  const add = async (conversations?: 'keep' | 'delete'): Promise<void> => {
    const values = new FormData(form.current!), name = String(values.get('name')), password = values.get('password');
    earlier.value = null;
    const done = await act(api.addUser({ name, role: first ? 'operator' : (String(values.get('role')) as Role), password: password === null ? null : String(password), ...(conversations && { conversations }) }), (error) => {
      if (!(error instanceof ServerError) || error.code !== 'conversations_kept') return false;
      earlier.value = name;
      return true;
    });
    if (done) form.current!.reset();
  };
  return (
    <form ref={form} class="stack narrow add-user" onSubmit={(e) => { e.preventDefault(); void add(); }}>
      <h2>{t(first ? 'users.add.first' : 'users.add')}</h2>
      <div class="pairs">
        <label>{t('login.name')}<small>{t('users.name.hint')}</small><input name="name" required maxLength={32} pattern="[a-z0-9][a-z0-9._\-]*" autocomplete="off" autocapitalize="none" /></label>
        {!first && <label>{t('users.role')}<small>{t('users.role.hint')}</small><select name="role">{roles.map((r) => <option key={r} value={r}>{t(`users.role.${r}`)}</option>)}</select></label>}
        {(login.value || first) && <label>{t('login.password')}<small>{t('users.password.hint')}</small><input name="password" type="password" minLength={10} required autocomplete="new-password" /></label>}
      </div>
      {!first && <label class="check"><input type="checkbox" checked={!login.value} onChange={(e) => { login.value = !e.currentTarget.checked; }} /><span>{t('users.nopassword')}</span></label>}
      <p class="row"><button class="primary">{t('users.add.go')}</button></p>
      {earlier.value !== null && (
        <Dialog title={t('users.earlier', { name: earlier.value })} onClose={() => { earlier.value = null; }}>
          <p>{t('users.earlier.text', { name: earlier.value })}</p>
          <p class="row"><button type="button" class="danger" onClick={() => { void add('delete'); }}>{t('users.earlier.delete')}</button> <button type="button" onClick={() => { void add('keep'); }}>{t('users.earlier.keep')}</button> <button type="button" onClick={() => { earlier.value = null; }}>{t('cancel')}</button></p>
        </Dialog>
      )}
    </form>
  );
}
