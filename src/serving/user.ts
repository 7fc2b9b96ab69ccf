// Who asks. Every route finds the user in its context (`c.get('user')`): the only one of this machine while there are no
// users, else who logged in or holds the key. What belongs to another is answered like what does not exist, also to an
// operator: an id says nothing, and conversations are private.

import { join } from 'node:path';
import { homeFolder } from '../home.ts';
import { ApiError } from './api-error.ts';

export const roles = ['user', 'operator'] as const;
export type Role = (typeof roles)[number];

export interface User {
  /** Safe as the name of a folder. */
  readonly name: string;
  /** `user`: chat and own conversations. `operator`: models, runs and the audit, too. */
  readonly role: Role;
  /** It is a program that holds a key. */
  readonly byKey?: boolean;
}

/** Whoever sits at this machine, while it has no users. */
export const localUser: User = { name: 'local', role: 'operator' };

/**
 * What one may do with a route: `anyone` needs no login; a `person` is who logged in, not who holds a key. Operators make
 * keys in anyone's name, so what is private must not open to one.
 */
export type Access = 'anyone' | 'person' | Role;

export function requireAccess(user: User | null, access: Access): void {
  if (access === 'anyone') return;
  if (!user) throw new ApiError(401, 'not_logged_in', 'this server has users: send a key (Authorization: Bearer …) or log in; `tiefsuche users key NAME` makes a key', { headers: { 'WWW-Authenticate': 'Bearer' } });
  if (access === 'person' && user.byKey) throw new ApiError(403, 'login_only', `a key opens the models of this server and not the conversations of ${user.name}: log in on the page`);
  if (access === 'operator' && user.role !== 'operator') throw new ApiError(403, 'operator_only', `${user.name} may not do this: it is for operators`);
}

/** Refuses what another owns, in the words for what is not there. `what`: e.g. `conversation "x"`. */
export function requireOwner(user: User, owner: string, what: string): void {
  if (owner !== user.name) throw new ApiError(404, 'not_found', `there is no ${what} here`);
}

/** Where a user's own conversations are; nothing of another's can be named from here. */
export const chatsFolder = (user: User, home: string = homeFolder()): string => join(home, 'chats', user.name);
