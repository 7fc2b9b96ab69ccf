// GET and PUT /api/studio: who one is here, and what the operator decided for everyone.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { packageRoot } from '../../ledger/provenance.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { expireChats } from '../studio/feedback.ts';
import { readStudioSettings, studioSettingsSchema, writeStudioSettings } from '../studio/settings.ts';
import { roles } from '../user.ts';

const studioSchema = z.object({ version: z.string(), user: z.object({ name: z.string(), role: z.enum(roles) }), settings: studioSettingsSchema }).meta({ id: 'Studio' });

export type Studio = z.output<typeof studioSchema>;

const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };

export const studio: Route = {
  method: 'get',
  path: '/api/studio',
  summary: 'Who you are here, and how this house does things',
  answers: { 'application/json': studioSchema },
  answer(c, { home }) {
    const { name, role } = c.get('user');
    return c.json({ version, user: { name, role }, settings: readStudioSettings(home) } satisfies Studio);
  },
};

export const studioSet: Route = {
  method: 'put',
  path: '/api/studio',
  summary: 'Decide contact, retention and whether feedback may be collected',
  access: 'operator',
  body: studioSettingsSchema,
  answers: { 'application/json': studioSettingsSchema },
  async answer(c, { home, limits }) {
    const settings = await readBody(c, studioSettingsSchema, limits.bodyBytes);
    writeStudioSettings(home, settings);
    expireChats(home, settings.retention_days);
    return c.json(settings);
  },
};
