// Errors as OpenAI's clients read them: {"error": {"message", "type", "param", "code"}} with a matching HTTP status.

import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { z } from 'zod';

export const errorSchema = z.object({
  error: z.object({
    message: z.string().describe('What happened, why, and what to do.'),
    type: z.enum(['invalid_request_error', 'rate_limit_error', 'server_error']),
    param: z.string().nullable().describe('The field the error is about.'),
    code: z.string().describe('Permanent: scripts may match on it.'),
  }),
}).meta({ id: 'Error' });

export type ErrorBody = z.output<typeof errorSchema>;

export class ApiError extends Error {
  readonly status: ContentfulStatusCode;
  readonly code: string;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ContentfulStatusCode, code: string, message: string, { param = null, headers = {} }: { param?: string | null; headers?: Readonly<Record<string, string>> } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
    this.headers = headers;
  }

  get body(): ErrorBody {
    const type = this.status >= 500 ? 'server_error' : this.status === 429 ? 'rate_limit_error' : 'invalid_request_error';
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}
