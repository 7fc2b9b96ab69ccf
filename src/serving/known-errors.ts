// Our own errors as answers: what the command line says, a client hears too.

import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { isTiefsucheError } from '../errors.ts';
import { ApiError } from './api-error.ts';

const statuses: Readonly<Record<string, ContentfulStatusCode>> = { NOT_FOUND: 404, EXISTS: 409, LOCKED: 409, MEMORY: 507, DISK: 507 };

export function asApiError(error: unknown): ApiError | null {
  if (error instanceof ApiError) return error;
  if (!isTiefsucheError(error)) return null;
  return new ApiError(statuses[error.code] ?? (error.exit === 2 ? 400 : 500), error.code.toLowerCase(), `${error.message}${error.hint === undefined ? '' : `. ${error.hint}`}`);
}
