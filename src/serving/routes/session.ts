// /api/session: who one is, and the page's login and logout; /api/session/password changes one's own password. The
// cookie is HttpOnly and SameSite=Strict, and Secure where a listed proxy says that the browser speaks TLS.

import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { z } from 'zod';
import { isTiefsucheError } from '../../errors.ts';
import { ApiError } from '../api-error.ts';
import { readBody } from '../read-body.ts';
import type { Route, RouteContext } from '../route.ts';
import type { ServerState } from '../server-state.ts';
import { type User, roles } from '../user.ts';
import { addressOf, isSecure } from '../users/authenticate.ts';
import { longestPassword, passwordMatches } from '../users/password.ts';
import { cookieName, sessionSeconds } from '../users/sessions.ts';

const path = '/api/session';
const sessionSchema = z.object({
  user: z.object({ name: z.string(), role: z.enum(roles) }).nullable().describe('null: nobody is logged in.'),
  login: z.boolean().describe('Whether this server has users, so that one can log in and out.'),
}).meta({ id: 'Session' });
const loginSchema = z.strictObject({ name: z.string().max(64), password: z.string().max(longestPassword) }).meta({ id: 'Login' });
const passwordSchema = z.strictObject({ old: z.string().max(longestPassword), new: z.string().max(longestPassword) }).meta({ id: 'PasswordChange' });

const largest = 16 * 1024;
const told = (c: RouteContext, { identity }: ServerState, user: User | null): Response =>
  c.json({ user: user && { name: user.name, role: user.role }, login: identity.store.all().length > 0 } satisfies z.output<typeof sessionSchema>, 200, { 'Cache-Control': 'no-store' });

export const sessionShow: Route = {
  method: 'get',
  path,
  access: 'anyone',
  summary: 'Who asks',
  answers: { 'application/json': sessionSchema },
  answer: (c, state) => told(c, state, c.get('user')),
};

export const sessionBegin: Route = {
  method: 'post',
  path,
  access: 'anyone',
  summary: 'Log in',
  body: loginSchema,
  answers: { 'application/json': sessionSchema },
  async answer(c, state) {
    const { identity } = state, { store, sessions, logins } = identity, { name, password } = await readBody(c, loginSchema, largest);
    const user = store.find(name);
    const right = await logins.attempt(name, addressOf(c, identity), () => passwordMatches(password, user?.password ?? null));
    if (!right || !user) throw new ApiError(401, 'wrong_password', 'the name or the password is wrong');
    setCookie(c, cookieName, sessions.begin(user), { httpOnly: true, sameSite: 'Strict', path: '/', maxAge: sessionSeconds, secure: isSecure(c, identity) });
    return told(c, state, user);
  },
};

export const sessionEnd: Route = {
  method: 'delete',
  path,
  access: 'anyone',
  summary: 'Log out',
  answers: { 'application/json': sessionSchema },
  answer(c, state) {
    const token = getCookie(c, cookieName);
    if (token !== undefined) state.identity.sessions.end(token);
    deleteCookie(c, cookieName, { path: '/' });
    return told(c, state, null);
  },
};

export const passwordChange: Route = {
  method: 'post',
  path: `${path}/password`,
  summary: 'Change one\'s own password; other logins of it end',
  body: passwordSchema,
  answers: { 'application/json': sessionSchema },
  async answer(c, state) {
    const { identity } = state, { store, sessions, logins } = identity, { name } = c.get('user'), body = await readBody(c, passwordSchema, largest);
    const known = store.find(name);
    if (!known?.password) throw new ApiError(400, 'no_password', `${name} has no password here`);
    if (!await logins.attempt(name, addressOf(c, identity), () => passwordMatches(body.old, known.password))) throw new ApiError(403, 'wrong_password', 'the old password is wrong', { param: 'old' });
    try { await store.setPassword(name, body.new); } catch (error) {
      if (isTiefsucheError(error) && error.code === 'INPUT') throw new ApiError(400, 'invalid_value', `${error.message}. ${error.hint}`, { param: 'new' });
      throw error;
    }
    const user = store.find(name)!;
    if (getCookie(c, cookieName) !== undefined) setCookie(c, cookieName, sessions.begin(user), { httpOnly: true, sameSite: 'Strict', path: '/', maxAge: sessionSeconds, secure: isSecure(c, identity) });
    return told(c, state, user);
  },
};
