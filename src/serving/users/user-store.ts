// The users of this machine: $TIEFSUCHE_HOME/users.json, readable by its owner alone, written whole and atomically. The
// command line and a running server share it: whoever reads looks whether the file changed, so a user who is removed or
// a key that is revoked is gone with the next request. Keys are 256 random bits: of them only the SHA-256 is kept.
// A name that was used before opens what it left behind, so whoever adds it again says what becomes of that.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../../durable-file.ts';
import { TiefsucheError } from '../../errors.ts';
import { homeFolder } from '../../home.ts';
import { ChatStore } from '../studio/chat-store.ts';
import { eraseFeedback } from '../studio/feedback.ts';
import { type Role, localUser, roles } from '../user.ts';
import { hashPassword, longestPassword, passwordHashSchema, shortestPassword } from './password.ts';

const keySchema = z.strictObject({ id: z.string(), label: z.string(), created: z.string(), hash: z.string() });
const userSchema = z.strictObject({
  name: z.string(), role: z.enum(roles), created: z.string(),
  password: passwordHashSchema.nullable(), keys: z.array(keySchema),
});
const fileSchema = z.strictObject({ version: z.literal(1), users: z.array(userSchema) });

export type StoredUser = Readonly<z.output<typeof userSchema>>;
export type StoredKey = Readonly<z.output<typeof keySchema>>;

/** What becomes of the conversations and ratings of a name. */
export const afterwards = ['keep', 'delete'] as const;
export type Afterwards = (typeof afterwards)[number];

const namePattern = /^[a-z0-9][a-z0-9._-]{0,31}$/;
const keyPrefix = 'tfs_';
const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');

export class UserStore {
  readonly path: string;
  private readonly home: string;
  private seen = '';
  private users: readonly StoredUser[] = [];
  private byKey = new Map<string, StoredUser>();

  constructor(home: string = homeFolder()) {
    this.home = home;
    this.path = join(home, 'users.json');
  }

  all(): readonly StoredUser[] {
    const { mtimeNs, size, ino } = statSync(this.path, { bigint: true, throwIfNoEntry: false }) ?? { mtimeNs: 0, size: 0, ino: 0 }, now = `${mtimeNs} ${size} ${ino}`;
    if (now === this.seen) return this.users;
    this.users = size === 0 ? [] : this.read();
    this.byKey = new Map(this.users.flatMap((u) => u.keys.map((k) => [k.hash, u] as const)));
    this.seen = now;
    return this.users;
  }

  find(name: string): StoredUser | undefined { return this.all().find((u) => u.name === name); }

  ofKey(key: string): StoredUser | undefined {
    this.all();
    return this.byKey.get(hashOf(key));
  }

  /** Whether someone may be added under this name. */
  checkNew(name: string, conversations?: Afterwards): void {
    checkName(name);
    if (this.find(name)) throw new TiefsucheError('EXISTS', `there is a user "${name}" already`, { hint: `\`tiefsuche users password ${name}\` changes the password.` });
    if (conversations === undefined && this.leftBehind(name)) throw new TiefsucheError('EXISTS', `there are conversations of an earlier user "${name}", and whoever has the name can read them`, { hint: 'Add with --conversations keep if it is the same person, else with --conversations delete, or under another name.' });
  }

  /** Whether there are conversations under a name that is no user's. */
  leftBehind(name: string): boolean { return namePattern.test(name) && !this.find(name) && !this.chatsOf(name).empty; }

  /** `password` null: no login by password; keys and a trusted proxy only. `conversations`: of an earlier user of that name. */
  async add(name: string, role: Role, password: string | null, conversations?: Afterwards): Promise<void> {
    this.checkNew(name, conversations);
    const hash = password === null ? null : await hashPassword(checkedPassword(password));
    if (conversations === 'delete') this.forget(name);
    this.write([...this.all(), { name, role, created: new Date().toISOString(), password: hash, keys: [] }]);
  }

  /** Takes the user away; with `delete` the conversations and ratings too, also those an earlier removal kept. */
  remove(name: string, conversations: Afterwards): void {
    if (conversations === 'keep' || !this.leftBehind(name)) this.known(name);
    this.write(this.all().filter((u) => u.name !== name));
    if (conversations === 'delete') this.forget(name);
  }

  async setPassword(name: string, password: string): Promise<void> {
    this.known(name);
    const hash = await hashPassword(checkedPassword(password));
    this.change(name, (u) => ({ ...u, password: hash }));
  }

  setRole(name: string, role: Role): void {
    this.known(name);
    this.change(name, (u) => ({ ...u, role }));
  }

  /** The new key: shown once, kept as its hash only. */
  addKey(name: string, label: string): { key: string; id: string } {
    this.known(name);
    const key = keyPrefix + randomBytes(32).toString('base64url'), id = randomBytes(4).toString('hex');
    this.change(name, (u) => ({ ...u, keys: [...u.keys, { id, label, created: new Date().toISOString(), hash: hashOf(key) }] }));
    return { key, id };
  }

  revokeKey(name: string, id: string): void {
    if (!this.known(name).keys.some((k) => k.id === id)) throw new TiefsucheError('NOT_FOUND', `${name} has no key "${id}"`, { hint: '`tiefsuche users list` shows the keys.' });
    this.change(name, (u) => ({ ...u, keys: u.keys.filter((k) => k.id !== id) }));
  }

  private chatsOf(name: string): ChatStore { return new ChatStore({ name, role: 'user' }, this.home); }

  private forget(name: string): void {
    this.chatsOf(name).removeAll();
    eraseFeedback(this.home, name);
  }

  private known(name: string): StoredUser {
    const user = this.find(name);
    if (!user) throw new TiefsucheError('NOT_FOUND', `there is no user "${name}"`, { hint: '`tiefsuche users list` shows who there is.' });
    return user;
  }

  private change(name: string, to: (user: StoredUser) => StoredUser): void { this.write(this.all().map((u) => (u.name === name ? to(u) : u))); }

  private read(): readonly StoredUser[] {
    try { return fileSchema.parse(JSON.parse(readFileSync(this.path, 'utf8'))).users; } catch (error) {
      throw new TiefsucheError('CONFIG', `${this.path} is not a list of users as this version writes it`, { hint: 'Nobody is let in until it is repaired, or removed and made anew with `tiefsuche users add`.', cause: error });
    }
  }

  private write(users: readonly StoredUser[]): void {
    makeFolder(join(this.path, '..'));
    writeFileAtomic(this.path, `${JSON.stringify({ version: 1, users }, null, 2)}\n`, 0o600);
    this.seen = '';
  }
}

function checkName(name: string): void {
  if (!namePattern.test(name)) throw new TiefsucheError('USAGE', `"${name}" cannot be the name of a user`, { hint: 'Small letters, digits, dot, dash and underscore, at most 32: it names a folder, too.' });
  if (name === localUser.name) throw new TiefsucheError('USAGE', `"${name}" is what whoever sits at the machine is called`, { hint: 'Choose another name.' });
}

function checkedPassword(password: string): string {
  if (password.length >= shortestPassword && password.length <= longestPassword) return password;
  throw new TiefsucheError('INPUT', `a password has ${shortestPassword} to ${longestPassword} characters, this one ${password.length}`, { hint: 'A few words together are easy to remember and hard to guess.' });
}
