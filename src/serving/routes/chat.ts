// GET, PUT, DELETE /api/chats/:id: one of one's own conversations, read, written whole, or deleted.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { ChatStore } from '../studio/chat-store.ts';
import { conversationSchema } from '../studio/conversation.ts';
import { eraseFeedback } from '../studio/feedback.ts';

const largest = 32 * 2 ** 20;
const doneSchema = z.object({ id: z.string() }).meta({ id: 'ConversationId' });

export const chatRead: Route = {
  method: 'get',
  path: '/api/chats/:id',
  access: 'person',
  summary: 'One of your conversations',
  answers: { 'application/json': conversationSchema },
  answer: (c, { home }) => c.json(new ChatStore(c.get('user'), home).read(c.req.param('id')!)),
};

export const chatWrite: Route = {
  method: 'put',
  path: '/api/chats/:id',
  access: 'person',
  summary: 'Keep a conversation',
  body: conversationSchema,
  answers: { 'application/json': doneSchema },
  async answer(c, { home }) {
    const conversation = await readBody(c, conversationSchema, largest), id = c.req.param('id')!;
    if (conversation.id !== id) throw new ApiError(400, 'contradiction', 'the id in the path and the one in the body differ', { param: 'id' });
    new ChatStore(c.get('user'), home).write(conversation);
    if (!conversation.consent) eraseFeedback(home, c.get('user').name, id);
    return c.json({ id });
  },
};

export const chatRemove: Route = {
  method: 'delete',
  path: '/api/chats/:id',
  access: 'person',
  summary: 'Delete a conversation',
  answers: { 'application/json': doneSchema },
  answer(c, { home }) {
    const id = c.req.param('id')!;
    new ChatStore(c.get('user'), home).remove(id);
    eraseFeedback(home, c.get('user').name, id);
    return c.json({ id });
  },
};
