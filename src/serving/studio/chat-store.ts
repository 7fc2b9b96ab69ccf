// The conversations of one person, $TIEFSUCHE_HOME/chats/USER/ID.json: each a file, readable by its owner alone, written
// whole and atomically. Nobody else's can be named from here.

import { chmodSync, existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../../durable-file.ts';
import { ApiError } from '../api-error.ts';
import { type User, chatsFolder } from '../user.ts';
import { type Conversation, type ConversationEntry, conversationSchema } from './conversation.ts';

const idPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Of files that were read, by path. */
const entriesKnown = new Map<string, { readonly mtimeMs: number; readonly size: number; readonly entry: ConversationEntry }>();

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
    entriesKnown.delete(path);
  }

  get empty(): boolean { return !existsSync(this.folder) || readdirSync(this.folder).length === 0; }

  /** All of them, also what cannot be read; says how many. */
  removeAll(): number {
    const names = existsSync(this.folder) ? readdirSync(this.folder) : [];
    rmSync(this.folder, { recursive: true, force: true });
    for (const name of names) entriesKnown.delete(join(this.folder, name));
    return names.length;
  }

  all(): Conversation[] {
    if (!existsSync(this.folder)) return [];
    return this.ids().flatMap((id) => {
      try { return [conversationSchema.parse(JSON.parse(readFileSync(join(this.folder, `${id}.json`), 'utf8')))]; } catch { return []; }
    });
  }

  /** Latest first; with `words`, those in which all of them stand. Others are answered between the files. */
  async list(words: string): Promise<ConversationEntry[]> {
    const wanted = words.toLowerCase().split(/\s+/).filter((w) => w !== ''), entries: ConversationEntry[] = [], ids = this.ids();
    for (const [i, id] of ids.entries()) {
      if (i % 16 === 15) await new Promise((resolve) => { setImmediate(resolve); });
      entries.push(...this.entryOf(id, wanted));
    }
    return entries.sort((a, b) => b.updated.localeCompare(a.updated));
  }

  private ids(): string[] { return existsSync(this.folder) ? readdirSync(this.folder).map((name) => name.replace(/\.json$/, '')).filter((id) => idPattern.test(id)) : []; }

  /** None: it cannot be read, or the words are not in it. What a file says is kept while it does not change. */
  private entryOf(id: string, wanted: readonly string[]): ConversationEntry[] {
    const path = join(this.folder, `${id}.json`);
    try {
      const { mtimeMs, size } = statSync(path), known = entriesKnown.get(path);
      if (wanted.length === 0 && known?.mtimeMs === mtimeMs && known.size === size) return [known.entry];
      const c = conversationSchema.parse(JSON.parse(readFileSync(path, 'utf8'))), text = [c.title, ...c.messages.map((m) => m.content)].join('\n'), lower = text.toLowerCase();
      const entry: ConversationEntry = { id: c.id, title: c.title, model: c.model, updated: c.updated, messages: c.messages.length, found: null };
      entriesKnown.set(path, { mtimeMs, size, entry });
      if (!wanted.every((w) => lower.includes(w))) return [];
      const at = wanted.length > 0 ? lower.indexOf(wanted[0]!) : -1;
      return [at < 0 ? entry : { ...entry, found: text.slice(Math.max(0, at - 30), at + 60).replace(/\s+/g, ' ').trim() }];
    } catch { return []; }
  }

  /** Those that were not touched for so many days. */
  old(days: number, now: number = Date.now()): string[] {
    return this.all().filter((c) => now - Date.parse(c.updated) > days * 86_400_000).map(({ id }) => id);
  }
}
