// Who asks, from a request: a key (Authorization: Bearer), a session's cookie, or the name that a trusted reverse proxy
// puts in a header. While there are no users it is whoever sits at the machine. What a cookie allows may change things
// only for our own page: the browser must say that the request comes from there.

import { getCookie } from 'hono/cookie';
import { ApiError } from '../api-error.ts';
import type { RouteContext } from '../route.ts';
import { type User, localUser } from '../user.ts';
import { Sessions, cookieName } from './sessions.ts';
import { LoginLimit } from './login-limit.ts';
import { UserStore } from './user-store.ts';

export interface TrustedProxies {
  /** Header that holds the name of a user; null: none is believed. */
  readonly header: string | null;
  /** Addresses from which it, and X-Forwarded-For and -Proto, are believed. */
  readonly addresses: readonly string[];
}

export interface Identity {
  readonly store: UserStore;
  readonly sessions: Sessions;
  readonly logins: LoginLimit;
  readonly proxies: TrustedProxies;
  /** It was told to serve others than this machine. */
  readonly shared: boolean;
}

export const makeIdentity = (proxies: TrustedProxies, shared: boolean): Identity => ({ store: new UserStore(), sessions: new Sessions(), logins: new LoginLimit(), proxies, shared });

const plain = (address: string): string => address.replace(/^::ffff:/, '');

/** The address at the other end of the connection, and whether it is a listed proxy. */
function peer(c: RouteContext, { addresses }: TrustedProxies): { address: string; trusted: boolean } {
  const address = plain(c.env.incoming.socket.remoteAddress ?? '');
  return { address, trusted: addresses.includes(address) };
}

/** Where a request comes from; a listed proxy is asked for whom it speaks. */
export function addressOf(c: RouteContext, { proxies }: Identity): string {
  const { address, trusted } = peer(c, proxies);
  // Proxies append: what stands last was seen by the nearest.
  return trusted ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() || address : address;
}

/** Whether the browser speaks TLS to the proxy before us. */
export const isSecure = (c: RouteContext, { proxies }: Identity): boolean => peer(c, proxies).trusted && c.req.header('x-forwarded-proto') === 'https';

export function authenticate(c: RouteContext, identity: Identity): User | null {
  const { store, sessions, proxies } = identity;
  if (store.all().length === 0) {
    // Nobody sits at the machine who comes through a proxy, or to a server that was told to serve others.
    const forwarded = c.req.header('x-forwarded-for') ?? c.req.header('forwarded');
    if (identity.shared || forwarded !== undefined) throw new ApiError(403, 'no_users', 'others may use this server only once it has users: `tiefsuche users add NAME`');
    return localUser;
  }
  const [, key] = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '') ?? [];
  if (key !== undefined) {
    const user = store.ofKey(key);
    if (!user) throw new ApiError(401, 'invalid_key', 'the key in Authorization is not known, or was revoked', { headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } });
    return { name: user.name, role: user.role, byKey: true };
  }
  const named = proxies.header !== null && peer(c, proxies).trusted ? c.req.header(proxies.header) : undefined;
  if (named !== undefined) {
    const user = store.find(named);
    if (!user) throw new ApiError(403, 'unknown_user', `the proxy names "${named}", who is no user here`);
    sameSite(c);
    return user;
  }
  const token = getCookie(c, cookieName), user = token === undefined ? undefined : sessions.find(token, (name) => store.find(name));
  if (!user) return null;
  sameSite(c);
  return user;
}

/** A browser sends its cookies, and a proxy its header, whoever wrote the page; so the page must be ours (CSRF). */
function sameSite(c: RouteContext): void {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return;
  if (c.req.header('origin') !== undefined || c.req.header('sec-fetch-site') === 'same-origin') return; // the guard has compared the origin with ours
  throw new ApiError(403, 'csrf', 'a request with a cookie that changes something must come from this server\'s own page; programs send a key instead');
}
