// All routes of the server, in the order of the OpenAPI document. A new route is a file beside this one and a line here.

import type { Route } from '../route.ts';
import { auditPurge, auditShow } from './audit.ts';
import { chatExport } from './chat-export.ts';
import { chatRead, chatRemove, chatWrite } from './chat.ts';
import { chats } from './chats.ts';
import { count } from './count.ts';
import { feedbackCollect, feedbackErase, feedbackOwn } from './feedback.ts';
import { modelAdd, modelRemove } from './model-file.ts';
import { modelLoad, modelUnload } from './model-load.ts';
import { ownErase, ownExport } from './own.ts';
import { page } from './page.ts';
import { pageFile } from './page-file.ts';
import { run } from './run.ts';
import { runMetrics } from './run-metrics.ts';
import { runSamples } from './run-samples.ts';
import { runStart } from './run-start.ts';
import { runStop } from './run-stop.ts';
import { runs } from './runs.ts';
import { shelfRoute } from './shelf.ts';
import { studio, studioSet } from './studio.ts';
import { chatCompletions } from './chat-completions.ts';
import { embeddings } from './embeddings.ts';
import { health } from './health.ts';
import { metrics } from './metrics.ts';
import { models } from './models.ts';
import { openapi } from './openapi.ts';
import { passwordChange, sessionBegin, sessionEnd, sessionShow } from './session.ts';
import { keyAdd, keyRevoke, userAdd, userChange, userRemove, usersShow } from './users.ts';

/** What the page asks for. */
const ofThePage: readonly Route[] = [
  page, pageFile, studio, studioSet, runs, runStart, run, runMetrics, runSamples, runStop,
  shelfRoute, modelAdd, modelRemove, modelLoad, modelUnload, chats, chatRead, chatWrite, chatRemove, chatExport, count, feedbackCollect, feedbackOwn, feedbackErase, ownExport, ownErase,
  usersShow, userAdd, userChange, userRemove, keyAdd, keyRevoke, auditShow, auditPurge,
];

export const routes: readonly Route[] = [chatCompletions, embeddings, models, sessionShow, sessionBegin, sessionEnd, passwordChange, health, metrics, openapi, ...ofThePage];

/** Paths clients may look for, and what there is instead. */
export const alternatives: Readonly<Record<string, string>> = {
  '/v1/responses': 'the Responses API comes later; use POST /v1/chat/completions (in the AI SDK: @ai-sdk/openai-compatible)',
  '/v1/completions': 'use POST /v1/chat/completions',
  '/api/chat': 'this server speaks OpenAI\'s protocol: POST /v1/chat/completions',
};
