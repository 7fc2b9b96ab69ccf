// Ratings as training data: a separate act of the operator, for conversations whose author agreed. Every record carries its
// author and consent; training refuses one without. A person's own ratings can be exported and erased by that person.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../durable-file.ts';
import { ChatStore } from './chat-store.ts';
import type { Answer, Conversation } from './conversation.ts';

interface Said { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }

/** One line of corpora/feedback.jsonl. */
export interface FeedbackRecord {
  readonly prompt: readonly Said[];
  readonly completion: readonly Said[];
  readonly origin: 'tiefsuche-feedback';
  readonly author: string;
  readonly consent: { readonly given: string; readonly conversation: string };
  readonly rating: 'up' | 'down';
  readonly model: string;
  readonly rated: string;
}

export const feedbackFile = (home: string): string => join(home, 'corpora', 'feedback.jsonl');

/** Answers called good, and corrections of those called bad; a bad answer without one teaches nothing here. */
function recordsOf(conversation: Conversation, author: string): FeedbackRecord[] {
  const { consent, messages, settings, id } = conversation;
  if (!consent) return [];
  const wanted = (a: Answer): string | null => (a.rating?.value === 'up' ? a.content : a.rating?.corrected ?? null);
  return messages.flatMap((m, i): FeedbackRecord[] => {
    if (m.role !== 'assistant' || !m.rating) return [];
    const content = wanted(m);
    if (content === null || content === '') return [];
    const before = messages.slice(0, i).map((said) => ({ role: said.role, content: said.role === 'user' ? [said.content, ...said.attachments.map((a) => `[${a.name}]\n${a.text}`)].join('\n\n') : said.content }));
    return [{
      prompt: [...(settings.system === '' ? [] : [{ role: 'system' as const, content: settings.system }]), ...before], completion: [{ role: 'assistant', content }],
      origin: 'tiefsuche-feedback', author, consent: { given: consent.given, conversation: id }, rating: m.rating.value, model: m.model, rated: m.rating.time,
    }];
  });
}

/** Writes the file anew from all conversations whose authors agree now: who withdrew is no longer in it. */
export function collectFeedback(home: string): { path: string; records: number; authors: number } {
  const folder = join(home, 'chats'), path = feedbackFile(home), names = existsSync(folder) ? readdirSync(folder).sort() : [];
  const records = names.flatMap((name) => new ChatStore({ name, role: 'user' }, home).all().sort((a, b) => a.created.localeCompare(b.created)).flatMap((c) => recordsOf(c, name)));
  makeFolder(join(home, 'corpora'));
  writeFileAtomic(path, records.map((r) => `${JSON.stringify(r)}\n`).join(''));
  return { path, records: records.length, authors: new Set(records.map((r) => r.author)).size };
}

/** Takes a person's records, or those of one conversation, out of the file that was written before. */
export function eraseFeedback(home: string, author: string, conversation?: string): number {
  const path = feedbackFile(home);
  if (!existsSync(path)) return 0;
  const lines = readFileSync(path, 'utf8').split('\n').filter((l) => l !== '');
  const kept = lines.filter((l) => {
    try { const r = JSON.parse(l) as FeedbackRecord; return r.author !== author || (conversation !== undefined && r.consent.conversation !== conversation); } catch { return false; } // whose a broken line was cannot be said
  });
  if (kept.length < lines.length) writeFileAtomic(path, kept.map((l) => `${l}\n`).join(''));
  return lines.length - kept.length;
}

/** Removes everyone's conversations that are older than the house keeps them; first what was collected from them. */
export function expireChats(home: string, days: number | null): number {
  const folder = join(home, 'chats'), names = days !== null && existsSync(folder) ? readdirSync(folder) : [];
  return names.reduce((n, name) => {
    const store = new ChatStore({ name, role: 'user' }, home), old = store.old(days!);
    for (const id of old) {
      eraseFeedback(home, name, id);
      store.remove(id);
    }
    return n + old.length;
  }, 0);
}

/** What of a person's would be used, for that person to see. */
export const feedbackOf = (home: string, author: string): FeedbackRecord[] => new ChatStore({ name: author, role: 'user' }, home).all().flatMap((c) => recordsOf(c, author));
