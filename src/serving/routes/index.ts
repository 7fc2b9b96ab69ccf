// All routes of the server, in the order of the OpenAPI document. A new route is a file beside this one and a line here.

import type { Route } from '../route.ts';
import { chatCompletions } from './chat-completions.ts';
import { health } from './health.ts';
import { metrics } from './metrics.ts';
import { models } from './models.ts';
import { openapi } from './openapi.ts';
import { passwordChange, sessionBegin, sessionEnd, sessionShow } from './session.ts';

export const routes: readonly Route[] = [chatCompletions, models, sessionShow, sessionBegin, sessionEnd, passwordChange, health, metrics, openapi];

/** Paths clients may look for, and what there is instead. */
export const alternatives: Readonly<Record<string, string>> = {
  '/v1/responses': 'the Responses API comes later; use POST /v1/chat/completions (in the AI SDK: @ai-sdk/openai-compatible)',
  '/v1/completions': 'use POST /v1/chat/completions',
  '/v1/embeddings': 'no served model offers embeddings',
  '/api/chat': 'this server speaks OpenAI\'s protocol: POST /v1/chat/completions',
};
