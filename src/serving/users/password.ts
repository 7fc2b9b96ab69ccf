// Passwords as scrypt hashes (N = 2^15, r = 8, p = 3: 32 MiB and about a quarter of a second on a server core; OWASP's
// figures of 2023). The parameters stand beside every hash, so that they can be raised without locking anyone out.

import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

export const passwordHashSchema = z.strictObject({
  algorithm: z.literal('scrypt'), N: z.int().min(2), r: z.int().min(1), p: z.int().min(1), salt: z.string(), hash: z.string(),
});
export type PasswordHash = z.output<typeof passwordHashSchema>;

export const shortestPassword = 10;
/** Longer ones would only cost time. */
export const longestPassword = 1024;

const cost = { N: 2 ** 15, r: 8, p: 3 } as const;

function derive(password: string, salt: Buffer, { N, r, p }: { N: number; r: number; p: number }): Promise<Buffer> {
  // The same word typed on another keyboard (composed or not) is the same word.
  return new Promise((resolve, reject) => scrypt(password.normalize('NFKC'), salt, 32, { N, r, p, maxmem: 256 * N * r }, (error, key) => (error ? reject(error) : resolve(key))));
}

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16);
  return { algorithm: 'scrypt', ...cost, salt: salt.toString('base64'), hash: (await derive(password, salt, cost)).toString('base64') };
}

const nobody: PasswordHash = { algorithm: 'scrypt', ...cost, salt: Buffer.alloc(16).toString('base64'), hash: Buffer.alloc(32).toString('base64') };

/** Whether it is the password. An unknown user (null) takes as long as a known one. */
export async function passwordMatches(password: string, known: PasswordHash | null): Promise<boolean> {
  const { salt, hash, ...parameters } = known ?? nobody;
  const same = timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), parameters), Buffer.from(hash, 'base64'));
  return same && known !== null;
}
