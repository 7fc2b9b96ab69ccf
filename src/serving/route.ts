// What a route is: a method, a path, who may use it, what the OpenAPI document says about it, and `answer`. One file per
// route in routes/ (a list of routes where several share a path), and one line in its index.

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { z } from 'zod';
import type { ServerState } from './server-state.ts';
import type { Access, User } from './user.ts';

/** `user`: who asks (null only in a route for anyone). `route`: the path it was found by, for the counters. */
export interface RouteEnv { Bindings: HttpBindings; Variables: { user: User; route?: string } }
export type RouteContext = Context<RouteEnv>;

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** May have parts with names: /api/runs/:id. */
  readonly path: string;
  readonly summary: string;
  /** Every user, if nothing is said. */
  readonly access?: Access;
  /** Schema of the query; its values are texts. */
  readonly query?: z.ZodObject;
  /** Schema of the JSON body. */
  readonly body?: z.ZodType;
  /** Of the answer with status 200, by media type; null: plain text. */
  readonly answers: Readonly<Record<string, z.ZodType | null>>;
  answer(c: RouteContext, state: ServerState): Response | Promise<Response>;
}
