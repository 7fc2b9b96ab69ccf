// GET /api/audit: the record of answers of some days, summed up, and the latest of them; never the texts, which a server
// told so keeps, too: those are for who may read the files. DELETE /api/audit?before=DAY forgets the days before.

import { z } from 'zod';
import { readPrices } from '../../ledger/prices.ts';
import { type AuditRecord, AuditSums, auditDays, auditRecordSchema, auditSumSchema, purgeAudit, readAudit } from '../audit.ts';
import { ApiError } from '../api-error.ts';
import type { Route } from '../route.ts';

const mostListed = 200;

const day = z.string().describe('UTC, such as 2026-01-31.').optional();
const listedSchema = auditRecordSchema.omit({ messages: true, answers: true });
const auditSchema = z.object({
  recording: z.enum(['off', 'figures', 'texts']).describe('What this server writes down now.'),
  days: z.array(z.string()).describe('All that have records.'),
  users: z.array(z.string()).describe('In the days asked for.'),
  sums: z.array(auditSumSchema),
  records: z.array(listedSchema).describe(`Latest first, at most ${mostListed}.`), more: z.boolean(),
  euro_per_kwh: z.number(),
}).meta({ id: 'Audit' });
const purgedSchema = z.object({ deleted: z.array(z.string()).describe('Days.') }).meta({ id: 'AuditPurged' });

export type AuditReport = z.output<typeof auditSchema>;
export type AuditPurged = z.output<typeof purgedSchema>;

export const auditShow: Route = {
  method: 'get',
  path: '/api/audit',
  access: 'operator',
  summary: 'Who asked which model how much, and what it took',
  query: z.object({ from: day, to: day, user: z.string().optional() }),
  answers: { 'application/json': auditSchema },
  async answer(c, { audit, home }) {
    const { from, to, user } = c.req.query(), sums = new AuditSums(), users = new Set<string>();
    let latest: AuditRecord[] = [], more = false;
    for await (const record of readAudit(home, { from, to })) {
      users.add(record.user);
      if (user !== undefined && record.user !== user) continue;
      sums.add(record);
      latest.push(record);
      if (latest.length < 2 * mostListed) continue;
      latest = latest.slice(-mostListed);
      more = true;
    }
    more ||= latest.length > mostListed;
    const records = latest.slice(-mostListed).reverse().map(({ messages: _m, answers: _a, ...figures }) => figures);
    return c.json({ recording: audit === null ? 'off' : audit.texts ? 'texts' : 'figures', days: auditDays(home), users: [...users].sort(), sums: sums.list(), records, more, euro_per_kwh: readPrices(home).prices.electricity_eur_per_kwh.value } satisfies AuditReport);
  },
};

export const auditPurge: Route = {
  method: 'delete',
  path: '/api/audit',
  access: 'operator',
  summary: 'Delete the records of all days before one',
  query: z.object({ before: z.string() }),
  answers: { 'application/json': purgedSchema },
  answer(c, { home, log }) {
    const before = c.req.query('before');
    if (before === undefined) throw new ApiError(400, 'missing', 'before: which is the first day whose records stay?', { param: 'before' });
    const deleted = purgeAudit(before, home);
    log.warn({ user: c.get('user').name, before, days: deleted.length }, 'records deleted');
    return c.json({ deleted } satisfies AuditPurged);
  },
};
