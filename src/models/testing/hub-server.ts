// A hub for tests: model info, the tree in pages, and files through a redirect to another origin with ranges, as the real
// one does it. Faults are taken from a queue, one for each request they match; every request is kept to be looked at.

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Fault {
  /** Applies to the next request whose path contains this. */
  readonly path: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Cut the connection after so many bytes of content. */
  readonly cutAfter?: number;
  /** Send the wrong content of the right length. */
  readonly corrupt?: boolean;
}

export interface HubServer {
  readonly url: string;
  readonly requests: { readonly method: string; readonly path: string; readonly range: string | undefined; readonly authorization: string | undefined; readonly origin: 'hub' | 'store' }[];
  readonly faults: Fault[];
  /** Bytes a millisecond; undefined: as fast as it goes. */
  rate: number | undefined;
  close(): Promise<void>;
}

export interface HubModel { readonly repo: string; readonly files: Readonly<Record<string, Uint8Array>>; readonly licence?: string; readonly commit?: string; /** Files above this size are LFS. */ readonly largeFrom?: number }

const hash = (algorithm: string, ...parts: (string | Uint8Array)[]): string => parts.reduce((h, p) => h.update(p), createHash(algorithm)).digest('hex');

export async function openHubServer({ repo, files, licence, commit = 'c0ffee'.padEnd(40, '0'), largeFrom = 10_000 }: HubModel): Promise<HubServer> {
  const requests: HubServer['requests'] = [], faults: Fault[] = [], state = { rate: undefined as number | undefined };
  const entries = Object.entries(files).map(([path, bytes]) => ({
    type: 'file', path, size: bytes.length, oid: hash('sha1', `blob ${bytes.length}\0`, bytes), ...(bytes.length >= largeFrom && { lfs: { oid: hash('sha256', bytes), size: bytes.length, pointerSize: 130 } }),
  }));

  const listen = (origin: 'hub' | 'store', answer: (path: string, request: IncomingMessage, response: ServerResponse) => void): Promise<{ server: Server; url: string }> => new Promise((done) => {
    const server = createServer((request, response) => {
      const { pathname: path } = new URL(request.url!, 'http://x'), at = faults.findIndex((f) => path.includes(f.path) && f.cutAfter === undefined && !f.corrupt);
      requests.push({ method: request.method!, path, range: request.headers.range, authorization: request.headers.authorization, origin });
      if (at < 0) return answer(path, request, response);
      const [fault] = faults.splice(at, 1) as [Fault];
      response.writeHead(fault.status!, fault.headers ?? {}).end(fault.body ?? '');
    });
    server.listen(0, '127.0.0.1', () => done({ server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }));
  });

  const store = await listen('store', (path, request, response) => {
    const whole = files[decodeURIComponent(path.slice(1))]!, begin = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (begin > whole.length) return response.writeHead(416, { 'content-range': `bytes */${whole.length}` }).end();
    const at = faults.findIndex((f) => path.includes(f.path)), fault = at < 0 ? undefined : faults.splice(at, 1)[0];
    const content = fault?.corrupt ? new Uint8Array(whole.length - begin) : whole.subarray(begin);
    response.writeHead(begin > 0 ? 206 : 200, { 'content-length': content.length, ...(begin > 0 && { 'content-range': `bytes ${begin}-${whole.length - 1}/${whole.length}` }) });
    if (fault?.cutAfter !== undefined) return void response.write(content.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 20));
    if (state.rate === undefined) return response.end(content);
    let sent = 0;
    const timer = setInterval(() => {
      if (response.destroyed) return clearInterval(timer);
      response.write(content.subarray(sent, sent += state.rate! * 10));
      if (sent >= content.length) { clearInterval(timer); response.end(); }
    }, 10);
  });

  const pageSize = 3;
  const main = await listen('hub', (path, request, response) => {
    const json = (value: unknown, headers = {}): void => void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    if (path.startsWith(`/api/models/${repo}/revision/`)) {
      const revision = decodeURIComponent(path.split('/').at(-1)!);
      if (revision !== 'main' && revision !== commit) return void response.writeHead(404, { 'x-error-code': 'RevisionNotFound' }).end(`Invalid rev id: ${revision}`);
      return json({ _id: '1', id: repo, private: false, downloads: 1, likes: 1, gated: false, lastModified: '2026-01-01T00:00:00.000Z', sha: commit, tags: [], ...(licence !== undefined && { cardData: { license: licence } }) });
    }
    if (path === `/api/models/${repo}/tree/${commit}`) {
      const from = Number(new URL(request.url!, 'http://x').searchParams.get('from') ?? 0), next = from + pageSize < entries.length ? { link: `<${main.url}${path}?recursive=true&from=${from + pageSize}>; rel="next"` } : {};
      return json(entries.slice(from, from + pageSize), next);
    }
    if (path.startsWith(`/${repo}/resolve/${commit}/`)) {
      const name = decodeURIComponent(path.slice(`/${repo}/resolve/${commit}/`.length));
      if (files[name]) return void response.writeHead(302, { location: `${store.url}/${encodeURIComponent(name)}` }).end();
      return void response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end('Entry not found');
    }
    response.writeHead(401, { 'x-error-code': 'RepoNotFound', 'x-error-message': 'Invalid username or password.' }).end();
  });

  const closed = ({ server }: { server: Server }): Promise<void> => new Promise((done) => { server.closeAllConnections(); server.close(() => done()); });
  return {
    url: main.url, requests, faults, get rate() { return state.rate; }, set rate(value) { state.rate = value; },
    close: async () => { await Promise.all([closed(main), closed(store)]); },
  };
}
