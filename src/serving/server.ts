// The HTTP server: opens the models, listens on the loopback, and stops in order: no new requests, a moment for the open
// ones, then they are ended with what they have, and the engines are closed.

import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { TiefsucheError } from '../errors.ts';
import { homeFolder } from '../home.ts';
import { listClaims } from '../ledger/claim.ts';
import { Audit } from './audit.ts';
import { ApiError } from './api-error.ts';
import { type EngineName, openEngine } from './engines/worker-engine.ts';
import type { WorkerOptions } from './engines/worker-loop.ts';
import { listRuns } from '../runs/run-folder.ts';
import { checkOrigin, closedPolicy, hostCheck, isLoopback, securityHeaders } from './guard.ts';
import { asApiError } from './known-errors.ts';
import { type LogLevel, makeLog } from './log.ts';
import { makeMetrics } from './metrics.ts';
import { ModelStore } from './model-store.ts';
import type { RouteEnv } from './route.ts';
import { alternatives, routes } from './routes/index.ts';
import type { ServerState } from './server-state.ts';
import { expireChats } from './studio/feedback.ts';
import { RunReader } from './studio/run-reader.ts';
import { readStudioSettings } from './studio/settings.ts';
import { type User, requireAccess } from './user.ts';
import { type TrustedProxies, authenticate, makeIdentity } from './users/authenticate.ts';

export interface ServeOptions {
  readonly models: readonly { readonly id: string; readonly path: string }[];
  readonly host: string;
  /** Further names under which it is reached, by a proxy or a name server. */
  readonly names: readonly string[];
  readonly proxies: TrustedProxies;
  /** Null: ours, and llama.cpp for what ours cannot read. */
  readonly engineName?: EngineName | null;
  /** Lines on stderr; `warn` by default. */
  readonly log?: LogLevel;
  /** Keeps a record of every answer, with or without its texts. */
  readonly audit?: 'figures' | 'texts' | null;
  /** 0: any that is free. */
  readonly port: number;
  readonly maxQueue: number;
  readonly timeLimit: number;
  /** Seconds open answers get to end by themselves when the server stops. */
  readonly grace: number;
  readonly home?: string;
  /** Program and arguments of the command line. */
  readonly commandLine: readonly string[];
  readonly engine: Pick<WorkerOptions, 'precision' | 'slots' | 'context' | 'cacheBytes' | 'cache' | 'besideTraining'>;
}

export interface RunningServer {
  readonly url: string;
  readonly state: ServerState;
  stop(): Promise<void>;
}

const expireEvery = 6 * 3600_000, lookForTraining = 2000, longestUpload = 6 * 3600_000; // ms

export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { host, models, names, proxies } = options;
  const sharing = !isLoopback(host) ? `does not listen on ${host}` : names.length > 0 ? `does not answer to ${names.join(', ')}` : proxies.addresses.length > 0 ? 'believes no proxy' : null;
  const identity = makeIdentity(proxies, sharing !== null);
  if (sharing !== null && identity.store.all().length === 0) {
    throw new TiefsucheError('UNSUPPORTED', `the server ${sharing}: others could use it, and there are no users`, { hint: 'Add one with `tiefsuche users add NAME --role operator`; or use it on this machine alone, from elsewhere through an SSH tunnel.' });
  }
  const twice = models.find(({ id }, i) => models.findIndex((m) => m.id === id) < i);
  if (twice) throw new TiefsucheError('USAGE', `two models are called "${twice.id}"`, { hint: 'Their names are their ids in the API; rename one.' });
  const shared = new Int32Array(new SharedArrayBuffer(8)), home = options.home ?? homeFolder();
  const store = new ModelStore(home, (path) => openEngine({ ...options.engine, path, shared }, options.engineName ?? null));
  try {
    for (const { id, path } of models) await store.load(id, path);
    const limits = {
      maxQueue: options.maxQueue, timeLimit: options.timeLimit,
      // 16 bytes a token is far more than any language takes; the rest is for short contexts.
      get bodyBytes() { return Math.max(2 ** 20, ...[...store.models.values()].map(({ engine }) => engine.description.context * 16)); },
    };
    const state: ServerState = { host, names, identity, models: store.models, held: { precision: options.engine.precision, cache: options.engine.cache ?? 'f32' }, limits, metrics: makeMetrics(store.models), log: makeLog(options.log ?? 'warn'), audit: options.audit ? new Audit(options.audit === 'texts', home) : null, open: new Set(), home, store, runs: new RunReader(home), commandLine: options.commandLine, stopping: false };
    const server = createAdaptorServer({ fetch: makeApp(state).fetch }) as Server;
    server.requestTimeout = longestUpload; // Node's five minutes cut a model off that comes over a slow line
    await listen(server, host, options.port);
    const expire = (): void => {
      try { expireChats(home, readStudioSettings(home).retention_days); } catch (error) { state.log.error({ error: (error as Error).message }, 'retention'); }
    };
    expire();
    setInterval(expire, expireEvery).unref();
    setInterval(() => { Atomics.store(shared, 1, trains(home) ? 1 : 0); }, lookForTraining).unref();
    const { port } = server.address() as { port: number };
    return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, state, stop: () => stop(server, state, options.grace) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Whether a run trains on this machine. A folder that is just being made or cannot be read must not end the server. */
function trains(home: string): boolean {
  try { return listRuns(home).some(({ status, path }) => status === 'running' && listClaims(join(path, 'attempts'), '').at(-1)?.state === 'alive'); } catch { return false; }
}

/** All routes behind the guards: where from, who, and whether they may. */
export function makeApp(state: ServerState): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>(), checkHost = hostCheck(state.host, state.names);
  app.use(async (c, next) => {
    const begun = performance.now();
    await next(); // errors are answers by then
    for (const [name, value] of Object.entries(securityHeaders)) c.header(name, value);
    if (!c.res.headers.has('Content-Security-Policy')) c.header('Content-Security-Policy', closedPolicy);
    state.log.info({ route: c.get('route') ?? 'other', method: c.req.method, status: c.res.status, user: c.get('user')?.name ?? null, ms: Math.round(performance.now() - begun) }, 'request');
    state.metrics.requests.inc({ route: c.get('route') ?? 'other', status: String(c.res.status) });
  });
  app.use(async (c, next) => {
    const header = (name: string): string | undefined => c.req.header(name), host = header('host');
    checkHost(host);
    checkOrigin({ origin: header('origin'), host, site: header('sec-fetch-site'), mode: header('sec-fetch-mode') });
    c.set('user', authenticate(c, state.identity) as User); // null only where `requireAccess` lets anyone in
    await next();
  });
  for (const route of routes) {
    app.on(route.method.toUpperCase(), route.path, async (c) => {
      c.set('route', route.path);
      requireAccess(c.get('user'), route.access ?? 'user');
      return route.answer(c, state);
    });
  }
  for (const path of new Set(routes.map((r) => r.path))) {
    const allowed = routes.filter((r) => r.path === path).map((r) => r.method.toUpperCase()).join(', ');
    app.all(path, (c) => { throw new ApiError(405, 'method_not_allowed', `${c.req.path} takes ${allowed}, not ${c.req.method}`, { headers: { Allow: allowed } }); });
  }
  app.notFound((c) => { throw new ApiError(404, 'not_found', `there is no ${c.req.path} here; ${alternatives[c.req.path] ?? 'GET /openapi.json lists what there is'}`); });
  app.onError((error, c) => {
    const known = asApiError(error), told = known ?? new ApiError(500, 'internal', `something unexpected happened: ${error.message}`);
    if (!known) state.log.error({ route: c.get('route') ?? 'other', error: error.stack }, 'fault');
    return c.json(told.body, told.status, told.headers);
  });
  return app;
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE'
      ? new TiefsucheError('USAGE', `port ${port} on ${host} is in use`, { hint: 'Choose another with --port; 0 takes any that is free.', cause: error }) : error));
    server.listen(port, host, resolve);
  });
}

async function stop(server: Server, state: ServerState, grace: number): Promise<void> {
  state.stopping = true;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const until = Date.now() + grace * 1000, pause = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, 20); });
  while (state.open.size > 0 && Date.now() < until) await pause();
  for (const answer of state.open) answer.cancel('shutdown');
  // Who does not read the end of an answer cannot keep the server from ending.
  for (let i = 0; i < 100 && state.open.size > 0; i++) await pause();
  setTimeout(() => server.closeAllConnections(), 200).unref();
  await closed;
  await state.store.close();
}
