// A body from the wire to a checked value. Everything that can be wrong with it has an answer of its own: too large, not
// JSON by its type, not UTF-8, not JSON, nested too deeply, a field of the wrong kind, a field nobody knows.

import type { HttpBindings } from '@hono/node-server';
import { z } from 'zod';
import { nearest } from '../nearest.ts';
import { ApiError } from './api-error.ts';
import type { RouteContext } from './route.ts';

export async function readBody<T extends z.ZodObject>(c: RouteContext, schema: T, limit: number): Promise<z.output<T>> {
  const type = (c.req.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
  if (type !== 'application/json') throw new ApiError(415, 'unsupported_media_type', `the body must be application/json, not ${type === '' ? 'without a type' : type}; with curl: -H 'Content-Type: application/json'`);
  let text: string;
  try { text = new TextDecoder('utf-8', { fatal: true }).decode(await readBytes(c.env, limit)); } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, 'invalid_utf8', 'the body is not valid UTF-8');
  }
  let value: unknown;
  try { value = JSON.parse(text); } catch (error) { throw new ApiError(400, 'invalid_json', `the body is not valid JSON: ${(error as Error).message}`); }
  if (deeperThan(value, mostLevels)) throw new ApiError(400, 'invalid_value', tooDeep('the body'));
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw fieldError(parsed.error.issues[0]!, Object.keys(schema.shape));
  return parsed.data;
}

/** Lists and objects within each other that a value from a client may have: far more than a schema or a call takes, far less than a thread can be handed. */
export const mostLevels = 256;
export const tooDeep = (what: string): string => `${what}: lists and objects are nested more than ${mostLevels} deep`;

/** Whether lists and objects stand within each other in more levels than these; without recursion, since there may be any number. */
export function deeperThan(value: unknown, levels: number): boolean {
  const nested = (v: unknown): v is object => typeof v === 'object' && v !== null;
  let level = [value].filter(nested);
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === levels) return true;
    const next: object[] = [];
    for (const one of level) for (const inner of Object.values(one) as unknown[]) if (nested(inner)) next.push(inner);
    level = next;
  }
  return false;
}

/** Most that is read of a body only to be thrown away, so that its sender hears the answer. */
const mostDropped = 64 * 2 ** 20;

/** From Node's own request: a web stream over it takes longer than all the rest of reading. */
async function readBytes({ incoming, outgoing }: HttpBindings, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    incoming.on('data', (part: Uint8Array) => {
      bytes += part.length;
      if (bytes > limit) parts.length = 0;
      else parts.push(part);
      if (bytes <= mostDropped || incoming.isPaused()) return;
      incoming.pause();
      outgoing.once('finish', () => incoming.destroy());
      resolve();
    });
    incoming.once('end', resolve);
    const cut = (): void => { if (incoming.complete) resolve(); else reject(new ApiError(400, 'client_left', 'the body was cut off; send it again')); };
    incoming.once('error', cut);
    incoming.once('close', cut);
  });
  if (bytes > limit) throw new ApiError(413, 'request_too_large', `the body is larger than ${limit} bytes, more than any text that fits the context; shorten the conversation`);
  return Buffer.concat(parts);
}

/** messages.0.content → messages[0].content */
const pathText = (path: readonly PropertyKey[]): string => path.map((p, i) => (typeof p === 'number' ? `[${p}]` : `${i > 0 ? '.' : ''}${String(p)}`)).join('');

function fieldError(issue: z.core.$ZodIssue, known: readonly string[]): ApiError {
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!, param = pathText([...issue.path, key]), near = issue.path.length === 0 ? nearest(key, known) : undefined;
    return new ApiError(400, 'unknown_field', `"${param}" is not a field this server knows${near === undefined ? '' : `; did you mean "${near}"?`}`, { param });
  }
  // Of a union the branch that got furthest says best what is wrong.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inner = issue.errors.map((e) => e[0]!).find((e) => e.code !== 'invalid_type' || e.path.length > 0);
    if (inner) return fieldError({ ...inner, path: [...issue.path, ...inner.path] }, []);
  }
  const param = pathText(issue.path);
  return new ApiError(400, issue.code === 'invalid_type' ? 'invalid_type' : 'invalid_value', `${param === '' ? 'the body' : param}: ${issue.message}`, { param: param === '' ? null : param });
}
