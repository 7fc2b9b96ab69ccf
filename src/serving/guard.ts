// Who may ask: this machine alone. The Host header must be a name of the loopback (a page that rebinds its own name to
// 127.0.0.1 sends its own), and a browser's Origin must be the server's own (CORS stays closed: no header allows others).

import { ApiError } from './api-error.ts';

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]']);

export function checkHost(host: string | undefined): void {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (!loopbackNames.has(name)) throw new ApiError(403, 'host_not_allowed', `the Host header "${host ?? ''}" is not a name of this machine's loopback; use http://127.0.0.1 or http://localhost`);
}

export function checkOrigin(origin: string | undefined, host: string | undefined): void {
  if (origin !== undefined && origin !== `http://${host}`) throw new ApiError(403, 'origin_not_allowed', `pages of ${origin} may not use this server`);
}

export const isLoopback = (address: string): boolean => address === 'localhost' || address === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address);
