// A conversation as the studio keeps and exports it.

import { z } from 'zod';

const id = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'expected a UUID in small letters');
const time = z.iso.datetime();

const attachmentSchema = z.strictObject({ name: z.string().max(300), text: z.string(), tokens: z.int().nullable().describe('What it takes of the context, where that was counted.') });

const questionSchema = z.strictObject({ role: z.literal('user'), content: z.string(), time, attachments: z.array(attachmentSchema).max(20) });

const answerSchema = z.strictObject({
  role: z.literal('assistant'), content: z.string(), thinking: z.string(), time,
  generated: z.literal(true).describe('By an AI system.'),
  model: z.string(), weights_sha256: z.string().nullable(), step: z.int().nullable(), seed: z.int().nullable(),
  finish: z.enum(['stop', 'length', 'stopped', 'failed']), thinking_ended: z.enum(['natural', 'budget', 'length']).nullable(), error: z.string().nullable(),
  tokens: z.int().nullable(), thinking_tokens: z.int().nullable(), seconds: z.number().nullable(), thinking_seconds: z.number().nullable(),
  joules: z.number().nullable(), energy_method: z.string().nullable(),
  rating: z.strictObject({ value: z.enum(['up', 'down']), corrected: z.string().nullable(), time }).nullable(),
});

export const conversationSettingsSchema = z.strictObject({
  system: z.string(), temperature: z.number().min(0).max(2), top_p: z.number().gt(0).max(1), seed: z.int().min(0).nullable(), max_tokens: z.int().min(1).nullable(),
  thinking: z.enum(['auto', 'on', 'off']), thinking_budget: z.int().min(1).nullable(),
});

export const conversationSchema = z.strictObject({
  id, title: z.string().max(300), model: z.string().nullable(), created: time, updated: time,
  settings: conversationSettingsSchema,
  consent: z.strictObject({ given: time }).nullable().describe('That ratings in it may become training data; null: they may not.'),
  messages: z.array(z.discriminatedUnion('role', [questionSchema, answerSchema])).max(2000),
}).meta({ id: 'Conversation' });

export type Conversation = z.output<typeof conversationSchema>;
export type Question = z.output<typeof questionSchema>;
export type Answer = z.output<typeof answerSchema>;
export type Attachment = z.output<typeof attachmentSchema>;
export type ConversationSettings = z.output<typeof conversationSettingsSchema>;

export const conversationEntrySchema = z.object({ id, title: z.string(), model: z.string().nullable(), updated: time, messages: z.int(), found: z.string().nullable().describe('Where the search words stand.') });
export type ConversationEntry = z.output<typeof conversationEntrySchema>;
