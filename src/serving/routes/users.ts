// /api/users: who may use this server, for its operators: listed, added, given another role, removed; keys made and revoked.
// What the command line does, but for passwords of others: who sets one could log in and read conversations. Nobody removes
// or lowers themself, so an operator always remains; the first user is one.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { type User, roles } from '../user.ts';
import { longestPassword } from '../users/password.ts';
import { type UserStore, afterwards } from '../users/user-store.ts';

const largest = 16 * 1024;
const listedSchema = z.object({
  name: z.string(), role: z.enum(roles), created: z.string(), password: z.boolean().describe('Whether one logs in by a password.'),
  keys: z.array(z.object({ id: z.string(), label: z.string(), created: z.string() })),
});
const usersSchema = z.object({ users: z.array(listedSchema) }).meta({ id: 'Users' });
const addSchema = z.strictObject({ name: z.string(), role: z.enum(roles), password: z.string().max(longestPassword).nullable().describe('null: no login by password; keys, or a trusted proxy.'), conversations: z.enum(afterwards).optional().describe('Of an earlier user of that name, whose conversations were kept.') }).meta({ id: 'UserAdd' });
const changeSchema = z.strictObject({ role: z.enum(roles) }).meta({ id: 'UserChange' });
const keyAddSchema = z.strictObject({ label: z.string().max(100) }).meta({ id: 'KeyAdd' });
const keySchema = z.object({ id: z.string(), key: z.string().describe('Shown this once.') }).meta({ id: 'Key' });

export type Users = z.output<typeof usersSchema>;
export type NewKey = z.output<typeof keySchema>;

const listed = (store: UserStore): Users => ({ users: store.all().map(({ name, role, created, password, keys }) => ({ name, role, created, password: password !== null, keys: keys.map((k) => ({ id: k.id, label: k.label, created: k.created })) })) });

function notOneself({ name }: User, other: string): void {
  if (name === other) throw new ApiError(409, 'oneself', 'nobody removes themself or takes their own role: another operator does');
}

export const usersShow: Route = {
  method: 'get',
  path: '/api/users',
  access: 'operator',
  summary: 'Who may use this server',
  answers: { 'application/json': usersSchema },
  answer: (c, { identity }) => c.json(listed(identity.store)),
};

export const userAdd: Route = {
  method: 'post',
  path: '/api/users',
  access: 'operator',
  summary: 'Add a user; with the first, an operator, the login is required',
  body: addSchema,
  answers: { 'application/json': usersSchema },
  async answer(c, { identity: { store } }) {
    const { name, role, password, conversations } = await readBody(c, addSchema, largest);
    if (store.all().length === 0 && (role !== 'operator' || password === null)) throw new ApiError(409, 'first_operator', 'the first user is an operator with a password: nobody could look after this server otherwise', { param: 'role' });
    if (conversations === undefined && store.leftBehind(name)) throw new ApiError(409, 'conversations_kept', `there are conversations of an earlier user "${name}", and whoever has the name can read them: say "keep" if it is the same person, else "delete", or take another name`, { param: 'conversations' });
    await store.add(name, role, password, conversations);
    return c.json(listed(store));
  },
};

export const userChange: Route = {
  method: 'patch',
  path: '/api/users/:name',
  access: 'operator',
  summary: 'Give a user another role',
  body: changeSchema,
  answers: { 'application/json': usersSchema },
  async answer(c, { identity: { store } }) {
    const name = c.req.param('name')!, { role } = await readBody(c, changeSchema, largest);
    notOneself(c.get('user'), name);
    store.setRole(name, role);
    return c.json(listed(store));
  },
};

export const userRemove: Route = {
  method: 'delete',
  path: '/api/users/:name',
  access: 'operator',
  summary: 'Remove a user; conversations=delete removes what is kept of them, too',
  query: z.object({ conversations: z.enum(afterwards).optional() }),
  answers: { 'application/json': usersSchema },
  answer(c, { identity: { store } }) {
    const name = c.req.param('name')!;
    notOneself(c.get('user'), name);
    store.remove(name, c.req.query('conversations') === 'delete' ? 'delete' : 'keep');
    return c.json(listed(store));
  },
};

export const keyAdd: Route = {
  method: 'post',
  path: '/api/users/:name/keys',
  access: 'operator',
  summary: 'Make a key for a user\'s programs',
  body: keyAddSchema,
  answers: { 'application/json': keySchema },
  async answer(c, { identity: { store } }) {
    const { label } = await readBody(c, keyAddSchema, largest);
    return c.json(store.addKey(c.req.param('name')!, label) satisfies NewKey, 200, { 'Cache-Control': 'no-store' });
  },
};

export const keyRevoke: Route = {
  method: 'delete',
  path: '/api/users/:name/keys/:id',
  access: 'operator',
  summary: 'Revoke a key',
  answers: { 'application/json': usersSchema },
  answer(c, { identity: { store } }) {
    store.revokeKey(c.req.param('name')!, c.req.param('id')!);
    return c.json(listed(store));
  },
};
