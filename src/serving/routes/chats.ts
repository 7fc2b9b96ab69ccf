// GET /api/chats: one's own conversations, latest first, searched if words are given.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { ChatStore } from '../studio/chat-store.ts';
import { conversationEntrySchema } from '../studio/conversation.ts';

const chatsSchema = z.object({ chats: z.array(conversationEntrySchema) }).meta({ id: 'ConversationList' });

export type ChatList = z.output<typeof chatsSchema>;

export const chats: Route = {
  method: 'get',
  path: '/api/chats',
  access: 'person',
  summary: 'Your conversations',
  query: z.object({ search: z.string().optional() }),
  answers: { 'application/json': chatsSchema },
  answer: async (c, { home }) => c.json({ chats: await new ChatStore(c.get('user'), home).list(c.req.query('search') ?? '') } satisfies ChatList),
};
