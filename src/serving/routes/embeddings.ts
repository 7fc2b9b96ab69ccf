// POST /v1/embeddings: the models that are served here write; none was made to turn texts into vectors, and a vector made
// of one that was not would be worth nothing. So it says so, in the shape that clients read.

import { z } from 'zod';
import { ApiError } from '../api-error.ts';
import { readBody } from '../read-body.ts';
import type { Route } from '../route.ts';
import { modelNamed } from './chat-completions.ts';

const requestSchema = z.strictObject({
  model: z.string().describe('An id from /v1/models.'),
  input: z.union([z.string(), z.array(z.string())], { error: 'expected a text or a list of texts' }),
  encoding_format: z.enum(['float', 'base64']).nullish(), dimensions: z.int().min(1).nullish(), user: z.string().nullish(),
}).meta({ id: 'EmbeddingRequest' });

export const embeddings: Route = {
  method: 'post',
  path: '/v1/embeddings',
  summary: 'Refused: no model that is served gives embeddings',
  body: requestSchema,
  answers: {},
  async answer(c, state) {
    const { model } = await readBody(c.req.raw, requestSchema, state.limits.bodyBytes), served = modelNamed(state, model);
    throw new ApiError(400, 'unsupported', `${served.id} was not made to give embeddings: it is a model that writes`, { param: 'model' });
  },
};
