// GET /api/chats/:id/export: a conversation as Markdown or JSON, marked as generated for eyes and for machines.

import { z } from 'zod';
import type { Route } from '../route.ts';
import { exportJson, exportMarkdown } from '../studio/chat-export.ts';
import { ChatStore } from '../studio/chat-store.ts';

export const chatExport: Route = {
  method: 'get',
  path: '/api/chats/:id/export',
  access: 'person',
  summary: 'A conversation as a file',
  query: z.object({ format: z.enum(['markdown', 'json']).optional(), language: z.enum(['en', 'de']).optional() }),
  answers: { 'text/markdown': null, 'application/json': null },
  answer(c, { home }) {
    const conversation = new ChatStore(c.get('user'), home).read(c.req.param('id')!), json = c.req.query('format') === 'json';
    const text = json ? exportJson(conversation) : exportMarkdown(conversation, c.req.query('language') === 'de' ? 'de' : 'en');
    const name = `${conversation.title.normalize('NFKD').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60) || 'conversation'}.${json ? 'json' : 'md'}`;
    return c.body(text, 200, { 'Content-Type': `${json ? 'application/json' : 'text/markdown'}; charset=utf-8`, 'Content-Disposition': `attachment; filename="${name}"` });
  },
};
