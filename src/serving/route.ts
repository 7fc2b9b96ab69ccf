// What a route is: a method, a path, what the OpenAPI document says about it, and `answer`. One file per route in routes/.

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { z } from 'zod';
import type { ServerState } from './server-state.ts';

export type RouteContext = Context<{ Bindings: HttpBindings }>;

export interface Route {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly summary: string;
  /** Schema of the JSON body. */
  readonly body?: z.ZodType;
  /** Of the answer with status 200, by media type; null: plain text. */
  readonly answers: Readonly<Record<string, z.ZodType | null>>;
  answer(c: RouteContext, state: ServerState): Response | Promise<Response>;
}
