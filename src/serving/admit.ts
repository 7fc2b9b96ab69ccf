// Whether a request may begin: the server is not stopping, the record of answers can be written, and the queue has room.

import { ApiError } from './api-error.ts';
import type { Audit } from './audit.ts';
import type { ServedModel, ServerState } from './server-state.ts';

export const unrecorded = (audit: Audit): ApiError => new ApiError(503, 'audit_failed', `the record of answers cannot be written (${audit.failure}), and without one none is given`, { headers: { 'Retry-After': '60' } });

export function admit({ stopping, audit, limits: { maxQueue } }: ServerState, { engine, secondsPerChoice }: ServedModel, choices: number): void {
  if (stopping) throw new ApiError(503, 'shutting_down', 'the server is stopping', { headers: { 'Retry-After': '5' } });
  if (audit && audit.check() !== null) throw unrecorded(audit);
  const { pending, description: { slots } } = engine;
  if (pending > 0 && pending + choices > slots + maxQueue) {
    const seconds = Math.max(1, Math.ceil(((pending - slots + 1) / slots) * secondsPerChoice));
    throw new ApiError(429, 'queue_full', `${pending} answers are being computed or wait already; try again in ${seconds} s`, { headers: { 'Retry-After': String(seconds) } });
  }
}
