// Server-sent events straight onto Node's response: a frame is a text that is written once. A web stream between them
// would cost several promises and a copy for every token.

import type { ServerResponse } from 'node:http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { RouteContext } from './route.ts';
import { closedPolicy, securityHeaders } from './guard.ts';

export const frameOf = (json: string): string => `data: ${json}\n\n`;

/** Lets `write` send frames, and ends with [DONE]. Whoever left is written to no more. */
export function eventStream(c: RouteContext, write: (send: (frame: string) => void) => Promise<void>): Response {
  const outgoing = c.env.outgoing as ServerResponse;
  outgoing.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no', ...securityHeaders, 'Content-Security-Policy': closedPolicy });
  outgoing.flushHeaders();
  // A chunk of HTTP/1.1 written whole: by `outgoing.write` it is four pieces, a cork and a turn of the loop, at each token.
  const whole = outgoing.chunkedEncoding ? outgoing.socket : null;
  const send = (frame: string): void => {
    if (frame === '' || outgoing.destroyed) return;
    if (whole === null) outgoing.write(frame);
    else whole.write(`${Buffer.byteLength(frame).toString(16)}\r\n${frame}\r\n`);
  };
  void write(send).finally(() => {
    send(frameOf('[DONE]'));
    outgoing.end();
  });
  return RESPONSE_ALREADY_SENT;
}
