// Logins of the page: a random token in a cookie, of which the server keeps the SHA-256 in memory (a restart logs all out).
// A session ends when it was not used for a while, when it is too old, and when its user's password changes.

import { createHash, randomBytes } from 'node:crypto';
import type { StoredUser } from './user-store.ts';

export const cookieName = 'tiefsuche_session';

interface Session { readonly name: string; readonly secret: string; readonly begun: number; used: number }

const idleMs = 12 * 3600_000, longestMs = 7 * 24 * 3600_000, mostSessions = 10_000;

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
/** Changes with the password. */
const secretOf = (user: StoredUser): string => user.password?.hash ?? '';

export class Sessions {
  private readonly open = new Map<string, Session>();
  private readonly now: () => number;

  constructor(now: () => number = Date.now) { this.now = now; }

  begin(user: StoredUser): string {
    const token = randomBytes(32).toString('base64url'), now = this.now();
    for (const [key, session] of this.open) if (this.over(session)) this.open.delete(key);
    const [oldest] = this.open.keys();
    if (this.open.size >= mostSessions && oldest !== undefined) this.open.delete(oldest);
    this.open.set(hashOf(token), { name: user.name, secret: secretOf(user), begun: now, used: now });
    return token;
  }

  /** The user of a session that is still good. */
  find(token: string, known: (name: string) => StoredUser | undefined): StoredUser | undefined {
    const key = hashOf(token), session = this.open.get(key), user = session && known(session.name);
    if (!session) return undefined;
    if (!user || this.over(session) || secretOf(user) !== session.secret) {
      this.open.delete(key);
      return undefined;
    }
    session.used = this.now();
    return user;
  }

  end(token: string): void { this.open.delete(hashOf(token)); }

  private over({ begun, used }: Session): boolean {
    const now = this.now();
    return now - used > idleMs || now - begun > longestMs;
  }
}

export const sessionSeconds: number = longestMs / 1000;
