// The server, as the page sees it: its HTTP API and nothing else. Types come from the schemas that check requests there.

import type { ChatChunk } from '../src/serving/chat-response.ts';
import type { ChatRequest } from '../src/serving/chat-request.ts';
import type { AuditPurged, AuditReport } from '../src/serving/routes/audit.ts';
import type { ChatList } from '../src/serving/routes/chats.ts';
import type { Count } from '../src/serving/routes/count.ts';
import type { OwnErased } from '../src/serving/routes/own.ts';
import type { RunDetail } from '../src/serving/routes/run.ts';
import type { RunSamples } from '../src/serving/routes/run-samples.ts';
import type { RunList } from '../src/serving/routes/runs.ts';
import type { Shelf } from '../src/serving/routes/shelf.ts';
import type { Studio } from '../src/serving/routes/studio.ts';
import type { NewKey, Users } from '../src/serving/routes/users.ts';
import type { Conversation } from '../src/serving/studio/conversation.ts';
import type { RunMetrics } from '../src/serving/studio/run-report.ts';
import type { StudioSettings } from '../src/serving/studio/settings.ts';

export type { AuditReport, ChatChunk, ChatRequest, ChatList, Conversation, Count, RunDetail, RunList, RunMetrics, RunSamples, Shelf, Studio, StudioSettings, Users };
export type { Answer, Attachment, ConversationEntry, ConversationSettings, Question } from '../src/serving/studio/conversation.ts';
export type { ShelfModel } from '../src/serving/studio/model-shelf.ts';
export type { RunReport } from '../src/serving/studio/run-report.ts';
export type { RunSample } from '../src/runs/run-samples.ts';

/** What the server says when it does not do as it is asked. */
export class ServerError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function refusal(answer: Response): Promise<ServerError> {
  try {
    const { error } = (await answer.json()) as { error: { message: string; code: string } };
    return new ServerError(answer.status, error.code, error.message);
  } catch {
    return new ServerError(answer.status, 'unreadable', `${answer.status} ${answer.statusText}`);
  }
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } };
  const answer = await fetch(path, init);
  if (!answer.ok) throw await refusal(answer);
  return (await answer.json()) as T;
}

const part = encodeURIComponent;

export type Role = Studio['user']['role'];

export const api = {
  studio: () => ask<Studio>('GET', '/api/studio'),
  setStudio: (settings: StudioSettings) => ask<StudioSettings>('PUT', '/api/studio', settings),
  login: (name: string, password: string) => ask<unknown>('POST', '/api/session', { name, password }),
  logout: () => ask<unknown>('DELETE', '/api/session'),
  shelf: () => ask<Shelf>('GET', '/api/models'),
  load: (id: string) => ask<unknown>('POST', `/api/models/${part(id)}/load`, {}),
  unload: (id: string) => ask<unknown>('POST', `/api/models/${part(id)}/unload`, {}),
  removeModel: (id: string) => ask<unknown>('DELETE', `/api/models/${part(id)}`),
  runs: () => ask<RunList>('GET', '/api/runs'),
  run: (name: string) => ask<RunDetail>('GET', `/api/runs/${part(name)}`),
  metrics: (name: string, after: number, generation: string) => ask<RunMetrics>('GET', `/api/runs/${part(name)}/metrics?after=${after}&generation=${part(generation)}`),
  samples: (name: string) => ask<RunSamples>('GET', `/api/runs/${part(name)}/samples`),
  startRun: (run: string, recipe?: string) => ask<unknown>('POST', '/api/runs', { run, ...(recipe !== undefined && { recipe }) }),
  stopRun: (name: string) => ask<unknown>('POST', `/api/runs/${part(name)}/stop`, {}),
  chats: (search: string) => ask<ChatList>('GET', `/api/chats?search=${part(search)}`),
  chat: (id: string) => ask<Conversation>('GET', `/api/chats/${part(id)}`),
  keepChat: (chat: Conversation) => ask<unknown>('PUT', `/api/chats/${part(chat.id)}`, chat),
  removeChat: (id: string) => ask<unknown>('DELETE', `/api/chats/${part(id)}`),
  collectFeedback: () => ask<{ path: string; records: number; authors: number }>('POST', '/api/feedback', {}),
  ownFeedback: () => ask<{ records: readonly unknown[] }>('GET', '/api/feedback/own'),
  eraseFeedback: () => ask<{ erased: number }>('DELETE', '/api/feedback/own'),
  eraseOwn: () => ask<OwnErased>('DELETE', '/api/own'),
  changePassword: (old: string, changed: string) => ask<unknown>('POST', '/api/session/password', { old, new: changed }),
  users: () => ask<Users>('GET', '/api/users'),
  addUser: (user: { name: string; role: Role; password: string | null; conversations?: 'keep' | 'delete' }) => ask<Users>('POST', '/api/users', user),
  setRole: (name: string, role: Role) => ask<Users>('PATCH', `/api/users/${part(name)}`, { role }),
  removeUser: (name: string, conversations: 'keep' | 'delete') => ask<Users>('DELETE', `/api/users/${part(name)}?conversations=${conversations}`),
  addKey: (name: string, label: string) => ask<NewKey>('POST', `/api/users/${part(name)}/keys`, { label }),
  revokeKey: (name: string, id: string) => ask<Users>('DELETE', `/api/users/${part(name)}/keys/${part(id)}`),
  audit: (filter: { from: string; to: string; user: string }) => ask<AuditReport>('GET', `/api/audit?${new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))}`),
  purgeAudit: (before: string) => ask<AuditPurged>('DELETE', `/api/audit?before=${part(before)}`),
  count: (model: string, messages: ChatRequest['messages']) => ask<Count>('POST', '/api/count', { model, messages }),
};

export const exportPath = (id: string, format: 'markdown' | 'json', language: string): string => `/api/chats/${part(id)}/export?format=${format}&language=${language}`;

/** Sends a file as it is, telling how much has gone. */
export function addModel(file: File, onProgress: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not tell how much of a body has gone
    request.open('PUT', `/api/models/${part(file.name)}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onerror = () => reject(new ServerError(0, 'unreachable', 'the server cannot be reached'));
    request.onload = () => {
      if (request.status === 200) return resolve();
      void refusal(new Response(request.responseText, { status: request.status, statusText: request.statusText })).then(reject);
    };
    request.send(file);
  });
}

/** The chunks of an answer as they come. */
export async function* answerChunks(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk> {
  const answer = await fetch('/v1/chat/completions', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }), signal });
  if (!answer.ok) throw await refusal(answer);
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = text.slice(0, end).replace(/^data: /, '');
      text = text.slice(end + 2);
      if (data === '[DONE]') return;
      const said = JSON.parse(data) as ChatChunk | { error: { message: string; code: string } };
      if ('error' in said) throw new ServerError(500, said.error.code, said.error.message);
      yield said;
    }
  }
}
