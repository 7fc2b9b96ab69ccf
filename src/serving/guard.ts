// Which requests come from where they say. The Host header must be a name of this server (a page that rebinds its own name
// to our address sends its own), and what a browser sends must come from our own page: its Origin is ours or there is
// none, and what it fetches on behalf of another site is refused (CORS stays closed: no header allows others).
// Every answer tells browsers to keep it to itself; the page sets a Content-Security-Policy of its own.

import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { ApiError } from './api-error.ts';

export const isLoopback = (address: string): boolean => address === 'localhost' || address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);

/** Whether a Host header names this server: the loopback always; elsewhere its addresses (no DNS can lie about one), the machine and the `names` given. */
export function hostCheck(bound: string, names: readonly string[]): (host: string | undefined) => void {
  const known = new Set(['localhost', ...names.map((n) => n.toLowerCase()), ...(isLoopback(bound) ? [] : [hostname().toLowerCase()])]);
  return (host) => {
    const name = (host ?? '').replace(/:\d+$/, '').toLowerCase(), address = name.replace(/^\[(.*)\]$/, '$1');
    if (known.has(name) || isLoopback(address) || (!isLoopback(bound) && isIP(address) !== 0)) return;
    throw new ApiError(403, 'host_not_allowed', `the Host header "${host ?? ''}" is not a name of this server; ${isLoopback(bound) ? 'use http://127.0.0.1 or http://localhost' : 'start it with --name to add one'}`);
  };
}

/** Pages of others get nothing; going to a page of ours from elsewhere is a plain visit. */
export function checkOrigin(headers: { readonly origin: string | undefined; readonly host: string | undefined; readonly site: string | undefined; readonly mode: string | undefined }): void {
  const { origin, host, site, mode } = headers;
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) throw new ApiError(403, 'origin_not_allowed', `pages of ${origin} may not use this server`);
  if (origin === undefined && (site === 'cross-site' || site === 'same-site') && mode !== 'navigate') throw new ApiError(403, 'origin_not_allowed', 'pages of other sites may not use this server');
}

export const securityHeaders: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

/** For everything that is no page. */
export const closedPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
