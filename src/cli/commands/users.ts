// `tiefsuche users`: who may use the server, and with which keys. A running server sees every change with its next request.
import { TiefsucheError } from '../../errors.ts';
import type { Role } from '../../serving/user.ts';
import { type Afterwards, UserStore, afterwards } from '../../serving/users/user-store.ts';
import { askPassword } from '../ask-password.ts';
import type { Command } from '../command.ts';
import { moment, table } from '../figures.ts';

export const users: Command = {
  name: 'users',
  summary: 'who may use the server, and with which keys',
  description: `Adds and removes users of \`tiefsuche serve\`, changes passwords, makes and revokes API keys.
As long as there are none, the server answers this machine alone, without a login.`,
  arguments: [
    { name: '<action>', text: 'what to do', choices: ['list', 'add', 'remove', 'password', 'key'] },
    { name: '[name]', text: 'the user' },
  ],
  options: [
    { flags: '--role <role>', text: 'user: chat and own conversations; operator: models, runs and the audit, too', choices: ['user', 'operator'], fallback: 'user' },
    { flags: '--conversations <what>', text: 'remove: what becomes of conversations and ratings; add: of those an earlier user of that name left', choices: [...afterwards] },
    { flags: '--no-password', text: 'add: no login by password; with keys, or by a reverse proxy, only' },
    { flags: '--label <text>', text: 'key: what it is for', fallback: '' },
    { flags: '--revoke <id>', text: 'key: the one that is no longer good' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche users add anna --role operator', text: 'asks for a password' },
    { line: 'tiefsuche users key anna --label laptop', text: 'a new key, shown once' },
    { line: 'tiefsuche users key anna --revoke 1f2e3d4c', text: 'that key is not good any more' },
  ],
  async run({ args: [action, name], options, json, terminal }) {
    const store = new UserStore(), { out, print } = terminal, { role, password, label, revoke, conversations } = options as { role: Role; password: boolean; label: string; revoke?: string; conversations?: Afterwards };
    const done = (what: string, fields: Record<string, unknown> = {}): void => print(json ? JSON.stringify({ name, ...fields }) : what);
    if (action === 'list') {
      const all = store.all().map((u) => ({ name: u.name, role: u.role, created: u.created, password: u.password !== null, keys: u.keys.map(({ id, label: text, created }) => ({ id, label: text, created })) }));
      if (json) return print(JSON.stringify(all));
      if (all.length === 0) return print('there are no users: the server answers this machine alone, without a login');
      return print(table([{ title: 'name' }, { title: 'role' }, { title: 'login' }, { title: 'added' }, { title: 'keys' }],
        all.map((u) => [out.bold(u.name), u.role, u.password ? 'password' : '–', moment(u.created), u.keys.map((k) => (k.label === '' ? k.id : `${k.id} (${k.label})`)).join(', ')]), out.dim));
    }
    if (name === undefined) throw new TiefsucheError('USAGE', `whom? \`tiefsuche users ${action}\` takes a name`);
    if (action === 'add') {
      store.checkNew(name, conversations); // before a password is asked for
      await store.add(name, role, password ? await askPassword(name) : null, conversations);
      return done(`${out.bold(name)} is ${role === 'operator' ? 'an operator' : 'a user'} now`, { role });
    }
    if (action === 'remove') {
      store.remove(name, conversations ?? 'keep');
      return done(`${out.bold(name)} is no user any more; ${conversations === 'delete' ? 'conversations and ratings are deleted' : `conversations stay in chats/${name} until \`tiefsuche users remove ${name} --conversations delete\``}`, { removed: true, conversations: conversations ?? 'keep' });
    }
    if (action === 'password') {
      await store.setPassword(name, await askPassword(name));
      return done(`${out.bold(name)} has a new password; open logins have ended`);
    }
    if (revoke !== undefined) {
      store.revokeKey(name, revoke);
      return done(`key ${revoke} is not good any more`, { revoked: revoke });
    }
    const { key, id } = store.addKey(name, label);
    if (json) return print(JSON.stringify({ name, id, key }));
    print(key);
    terminal.warn(`this key (${id}) is shown once and cannot be shown again`);
  },
};
