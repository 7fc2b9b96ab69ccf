// HTTP for downloads: waits where a server asks for it (429, 503 with Retry-After or the hub's RateLimit), tries again
// when a connection fails, and turns what remains into errors that say what to do.

import { TiefsucheError } from '../../errors.ts';

export interface Patience {
  /** Failures in a row after which to give up. */
  readonly attempts: number;
  readonly wait: (milliseconds: number) => Promise<void>;
  /** Tells the user why nothing moves. */
  readonly say: (text: string) => void;
}

export const usualPatience: Patience = { attempts: 5, wait: (ms) => new Promise((done) => { setTimeout(done, ms); }), say: () => {} };

/** Longer than this nobody waits in front of a terminal. */
const longestWait = 120_000;

/** A pause that doubles: 0.5, 1, 2, 4 … seconds. */
export const pause = (failures: number): number => Math.min(500 * 2 ** failures, 30_000);

/** Resolves with an answer that is fine, or has one of the statuses in `also`. */
export async function patientFetch(url: string | URL, init: RequestInit, patience: Patience, also: readonly number[] = []): Promise<Response> {
  const { host } = new URL(url);
  for (let failures = 0; ; failures++) {
    let response: Response;
    try {
      response = await fetch(url, init);
    } catch (error) {
      const why = reasonOf(error);
      if (failures >= patience.attempts || init.signal?.aborted) throw unreachable(host, why, error);
      patience.say(`${host} cannot be reached (${why}); trying again`);
      await patience.wait(pause(failures));
      continue;
    }
    if (response.ok || also.includes(response.status)) return response;
    const retry = response.status === 429 || response.status >= 500;
    const wait = askedWait(response.headers) ?? pause(failures);
    if (!retry || failures >= patience.attempts || wait > longestWait) throw await refusal(response, host, wait);
    await response.body?.cancel();
    patience.say(`${host} answers ${response.status}; trying again in ${Math.ceil(wait / 1000)} s`);
    await patience.wait(wait);
  }
}

/** Milliseconds a server asks to wait: Retry-After in seconds or as a date, or t in RateLimit. */
export function askedWait(headers: Headers, now: number = Date.now()): number | null {
  const after = headers.get('retry-after');
  if (after !== null && /^\d+$/.test(after.trim())) return Number(after) * 1000;
  if (after !== null && Number.isFinite(Date.parse(after))) return Math.max(0, Date.parse(after) - now);
  const seconds = /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}

/** What lies under "fetch failed". */
export function reasonOf(error: unknown): string {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  return cause?.code ?? cause?.message ?? (error as Error).message;
}

export const unreachable = (host: string, why: string, cause: unknown): TiefsucheError =>
  new TiefsucheError('NETWORK', `${host} cannot be reached (${why})`, { hint: 'Check the network, or name a mirror with HF_ENDPOINT. The same command goes on where it stopped.', cause });

async function refusal(response: Response, host: string, wait: number): Promise<TiefsucheError> {
  const { status, headers } = response, kind = headers.get('x-error-code'), text = (headers.get('x-error-message') ?? await shortText(response)).slice(0, 300);
  const said = text === '' ? '' : `: ${text}`;
  if (status === 401 || status === 403) {
    const gated = kind === 'GatedRepo' || /gated|agree|restricted/i.test(text);
    return new TiefsucheError('DENIED', `${host} refuses access (${status})${said}`, { hint: gated
      ? 'The model is gated: accept its terms on its page, and set HF_TOKEN to a token of that account.'
      : 'Check the spelling first: the hub answers so for models that do not exist, too. For a private one, set HF_TOKEN.' });
  }
  if (status === 404 || status === 410) {
    const what = kind === 'RevisionNotFound' ? 'this revision' : kind === 'EntryNotFound' ? 'this file' : kind === 'RepoNotFound' ? 'this model' : 'this address';
    return new TiefsucheError('NOT_FOUND', `${host} does not have ${what} (${new URL(response.url).pathname})${said}`, { hint: 'Check the spelling; names are case-sensitive.' });
  }
  if (status === 429) return new TiefsucheError('NETWORK', `${host} has had too many requests from here (429) and asks to wait ${Math.ceil(wait / 1000)} s`, { hint: 'Run the same command again then; it goes on where it stopped. A token (HF_TOKEN) has a higher limit.' });
  return new TiefsucheError('NETWORK', `${host} answers ${status}${said}`, { hint: 'Run the same command again later; it goes on where it stopped.' });
}

async function shortText(response: Response): Promise<string> {
  try {
    const text = await response.text(), json = text.startsWith('{') ? (JSON.parse(text) as { error?: unknown }) : null;
    return typeof json?.error === 'string' ? json.error : text.startsWith('<') ? '' : text.trim();
  } catch {
    return '';
  }
}
