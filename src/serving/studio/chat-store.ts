// The conversations of one person, $TIEFSUCHE_HOME/chats/USER/ID.json: each a file, readable by its owner alone, written
// whole and atomically. Nobody else's can be named from here.

import { chmodSync, existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../durable-file.ts';
import { ApiError } from '../api-error.ts';
import { type User, chatsFolder } from '../user.ts';
import { type Conversation, type ConversationEntry, conversationSchema } from './conversation.ts';

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class ChatStore {
  private readonly folder: string;

  constructor(user: User, home: string) { this.folder = chatsFolder(user, home); }

  private path(id: string): string {
    if (!idPattern.test(id)) throw new ApiError(404, 'not_found', 'there is no such conversation here');
    return join(this.folder, `${id}.json`);
  }

  read(id: string): Conversation {
    const path = this.path(id);
    if (!existsSync(path)) throw new ApiError(404, 'not_found', 'there is no such conversation here');
    return conversationSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  }

  write(conversation: Conversation): void {
    const path = this.path(conversation.id);
    if (!existsSync(this.folder)) {
      makeFolder(this.folder);
      chmodSync(this.folder, 0o700);
    }
    writeFileAtomic(path, `${JSON.stringify(conversation)}\n`);
    chmodSync(path, 0o600);
  }

  remove(id: string): void {
    const path = this.path(id);
    if (!existsSync(path)) throw new ApiError(404, 'not_found', 'there is no such conversation here');
    rmSync(path);
  }

  get empty(): boolean { return !existsSync(this.folder) || readdirSync(this.folder).length === 0; }

  /** All of them, also what cannot be read; says how many. */
  removeAll(): number {
    const names = existsSync(this.folder) ? readdirSync(this.folder) : [];
    rmSync(this.folder, { recursive: true, force: true });
    return names.length;
  }

  all(): Conversation[] {
    if (!existsSync(this.folder)) return [];
    return readdirSync(this.folder).filter((name) => idPattern.test(name.replace(/\.json$/, ''))).flatMap((name) => {
      try { return [conversationSchema.parse(JSON.parse(readFileSync(join(this.folder, name), 'utf8')))]; } catch { return []; }
    });
  }

  /** Latest first; with `words`, those in which all of them stand. */
  list(words: string): ConversationEntry[] {
    const wanted = words.toLowerCase().split(/\s+/).filter((w) => w !== '');
    return this.all().flatMap((c): ConversationEntry[] => {
      const text = [c.title, ...c.messages.map((m) => m.content)].join('\n'), lower = text.toLowerCase();
      if (!wanted.every((w) => lower.includes(w))) return [];
      const at = wanted.length > 0 ? lower.indexOf(wanted[0]!) : -1;
      return [{ id: c.id, title: c.title, model: c.model, updated: c.updated, messages: c.messages.length, found: at < 0 ? null : text.slice(Math.max(0, at - 30), at + 60).replace(/\s+/g, ' ').trim() }];
    }).sort((a, b) => b.updated.localeCompare(a.updated));
  }

  /** Those that were not touched for so many days. */
  old(days: number, now: number = Date.now()): string[] {
    return this.all().filter((c) => now - Date.parse(c.updated) > days * 86_400_000).map(({ id }) => id);
  }
}
