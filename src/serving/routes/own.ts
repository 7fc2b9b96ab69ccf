// /api/own: everything the page keeps of whoever asks, in one file; and its erasure.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { exportObject } from '../studio/chat-export.ts';
import { ChatStore } from '../studio/chat-store.ts';
import { eraseFeedback, feedbackOf } from '../studio/feedback.ts';

const erasedSchema = z.object({ conversations: z.int(), feedback: z.int().describe('Records taken out of collected training data.') }).meta({ id: 'OwnErased' });

export type OwnErased = z.output<typeof erasedSchema>;

export const ownExport: Route = {
  method: 'get',
  path: '/api/own',
  access: 'person',
  summary: 'All your conversations and ratings, as one file',
  answers: { 'application/json': null },
  answer(c, { home }) {
    const user = c.get('user'), { name } = user, conversations = new ChatStore(user, home).all().sort((a, b) => a.created.localeCompare(b.created));
    const all = { user: name, exported: new Date().toISOString(), conversations: conversations.map(exportObject), feedback_that_may_be_trained_on: feedbackOf(home, name) };
    return c.body(`${JSON.stringify(all, null, 1)}\n`, 200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Disposition': `attachment; filename="tiefsuche-${name}.json"` });
  },
};

export const ownErase: Route = {
  method: 'delete',
  path: '/api/own',
  access: 'person',
  summary: 'Delete all your conversations, and your ratings wherever they were collected',
  answers: { 'application/json': erasedSchema },
  answer(c, { home }) {
    const user = c.get('user'), feedback = eraseFeedback(home, user.name);
    return c.json({ conversations: new ChatStore(user, home).removeAll(), feedback } satisfies OwnErased);
  },
};
