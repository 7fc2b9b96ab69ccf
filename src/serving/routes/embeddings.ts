// POST /v1/embeddings: one vector for each text, where the model was made to give them.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { modelNamed } from './chat-completions.ts';

const requestSchema = z.strictObject({
  model: z.string().describe('An id from /v1/models.'),
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(2048)], { error: 'expected a text or a list of texts' }),
  encoding_format: z.enum(['float', 'base64']).nullish().describe('base64: little-endian f32.'),
  dimensions: z.null('only the model\'s own length is supported').optional(),
  user: z.string().nullish(),
}).meta({ id: 'EmbeddingRequest' });

const answerSchema = z.object({
  object: z.literal('list'), model: z.string(),
  data: z.array(z.object({ object: z.literal('embedding'), index: z.int(), embedding: z.union([z.array(z.number()), z.string()]) })),
  usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
}).meta({ id: 'EmbeddingList' });

export const embeddings: Route = {
  method: 'post',
  path: '/v1/embeddings',
  summary: 'Vectors of texts',
  body: requestSchema,
  answers: { 'application/json': answerSchema },
  async answer(c, state) {
    const { model, input, encoding_format: format } = await readBody(c.req.raw, requestSchema, state.limits.bodyBytes), served = modelNamed(state, model);
    if (!served.engine.embed) throw new ApiError(400, 'unsupported', `${served.id} was not made to give embeddings: it is a model that writes; an embedding model in a GGUF file, served by llama.cpp, does`, { param: 'model' });
    const { vectors, tokens } = await served.engine.embed(typeof input === 'string' ? [input] : input);
    return c.json({
      object: 'list', model: served.id,
      data: vectors.map((vector, index) => ({ object: 'embedding' as const, index, embedding: format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : [...vector] })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    } satisfies z.output<typeof answerSchema>);
  },
};
