// What the operator decided for everyone: whom to ask about this system, how long conversations are kept, and whether
// ratings may be collected as training data at all (off until switched on). $TIEFSUCHE_HOME/studio.json.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../../durable-file.ts';

export const studioSettingsSchema = z.strictObject({
  contact: z.string().max(500).default('').describe('Whom to ask about this system, shown with its first words.'),
  retention_days: z.int().min(1).max(36_500).nullable().default(null).describe('Conversations untouched for so long are deleted; null: kept.'),
  feedback_for_training: z.boolean().default(false).describe('Ratings in conversations whose author agreed may be exported as training data.'),
}).meta({ id: 'StudioSettings' });

export type StudioSettings = z.output<typeof studioSettingsSchema>;

const settingsPath = (home: string): string => join(home, 'studio.json');

export function readStudioSettings(home: string): StudioSettings {
  const path = settingsPath(home);
  return studioSettingsSchema.parse(existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {});
}

export function writeStudioSettings(home: string, settings: StudioSettings): void {
  makeFolder(home);
  writeFileAtomic(settingsPath(home), `${JSON.stringify(settings, null, 1)}\n`);
}
