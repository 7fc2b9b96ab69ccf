// POST /api/feedback: the operator collects ratings as training data, from those who agreed, if the house allows it at all.
// GET and DELETE /api/feedback/own: what of one's own would be used, and its erasure: consent is withdrawn everywhere.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import type { Route } from '../route.ts';
import { ChatStore } from '../studio/chat-store.ts';
import { collectFeedback, eraseFeedback, feedbackOf } from '../studio/feedback.ts';
import { readStudioSettings } from '../studio/settings.ts';

const collectedSchema = z.object({ path: z.string(), records: z.int(), authors: z.int() }).meta({ id: 'FeedbackCollected' });
const ownSchema = z.object({ records: z.array(z.looseObject({ prompt: z.array(z.object({ role: z.string(), content: z.string() })), completion: z.array(z.object({ role: z.string(), content: z.string() })), author: z.string(), rated: z.string() })) }).meta({ id: 'OwnFeedback' });
const erasedSchema = z.object({ erased: z.int() }).meta({ id: 'FeedbackErased' });

export const feedbackCollect: Route = {
  method: 'post',
  path: '/api/feedback',
  summary: 'Write the ratings of those who agreed to corpora/feedback.jsonl',
  access: 'operator',
  answers: { 'application/json': collectedSchema },
  answer(c, { home }) {
    if (!readStudioSettings(home).feedback_for_training) throw new ApiError(409, 'feedback_off', 'collecting ratings as training data is switched off; an operator can switch it on in the settings of the house');
    return c.json(collectFeedback(home));
  },
};

export const feedbackOwn: Route = {
  method: 'get',
  path: '/api/feedback/own',
  access: 'person',
  summary: 'What of yours would become training data',
  answers: { 'application/json': ownSchema },
  answer: (c, { home }) => c.json({ records: feedbackOf(home, c.get('user').name) }),
};

export const feedbackErase: Route = {
  method: 'delete',
  path: '/api/feedback/own',
  access: 'person',
  summary: 'Withdraw your consent everywhere, and take what was collected of you out of the file',
  answers: { 'application/json': erasedSchema },
  answer(c, { home }) {
    const user = c.get('user'), store = new ChatStore(user, home);
    for (const conversation of store.all()) if (conversation.consent) store.write({ ...conversation, consent: null });
    return c.json({ erased: eraseFeedback(home, user.name) } satisfies z.output<typeof erasedSchema>);
  },
};
