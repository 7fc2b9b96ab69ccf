// POST /v1/embeddings: a vector for each text, by models whose files say how one is made (src/models/pooling.ts). Of any
// other model a vector would be worth nothing, and that is what the answer says.

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ofLengthOne } from '../../models/pooling.ts';
import { admit, unrecorded } from '../admit.ts';
import { ApiError } from '../api-error.ts';
import type { EmbedRequest, Embeddings, EngineDescription, Refusal } from '../engines/engine.ts';
import { readBody } from '../read-body.ts';
import type { Route, RouteContext } from '../route.ts';
import type { ServedModel, ServerState } from '../server-state.ts';
import { modelNamed, refused } from './chat-completions.ts';

const ids = z.array(z.int().min(0)).min(1), text = z.string().min(1), most = 2048;

const requestSchema = z.strictObject({
  model: z.string().describe('An id from /v1/models.'),
  input: z.union([text, z.array(text).min(1).max(most), ids, z.array(ids).min(1).max(most)], { error: `expected a text or the ids of its tokens, or a list of up to ${most} of either, none of them empty` }),
  encoding_format: z.enum(['float', 'base64']).nullish().describe('base64: f32, least significant byte first.'),
  dimensions: z.int().min(1).nullish().describe('Shorter vectors, for models whose config.json has is_matryoshka or matryoshka_dimensions.'),
  user: z.string().nullish(),
}).meta({ id: 'EmbeddingRequest' });

const embeddingsSchema = z.object({
  object: z.literal('list'), model: z.string(),
  data: z.array(z.object({ object: z.literal('embedding'), index: z.int(), embedding: z.union([z.array(z.number()), z.string()]) })),
  usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
}).meta({ id: 'EmbeddingList' });

type Body = z.output<typeof requestSchema>;

export const embeddings: Route = {
  method: 'post',
  path: '/v1/embeddings',
  summary: 'Vectors of texts',
  body: requestSchema,
  answers: { 'application/json': embeddingsSchema },
  async answer(c, state) {
    const body = await readBody(c, requestSchema, state.limits.bodyBytes), served = modelNamed(state, body.model);
    const cut = cutter(body, served), inputs = inputsOf(body), { vectors, tokens } = await embedded(c, state, served, { inputs });
    const written = (vector: Float32Array): number[] | string => (body.encoding_format === 'base64' ? base64(vector) : [...vector]);
    return c.json({
      object: 'list', model: served.id, data: vectors.map((vector, index) => ({ object: 'embedding' as const, index, embedding: written(cut(vector)) })), usage: { prompt_tokens: tokens, total_tokens: tokens },
    } satisfies z.output<typeof embeddingsSchema>);
  },
};

function inputsOf({ input }: Body): EmbedRequest['inputs'] {
  if (typeof input === 'string') return [input];
  return typeof input[0] === 'number' ? [input as number[]] : input as string[] | number[][];
}

function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(4 * vector.length);
  vector.forEach((x, i) => bytes.writeFloatLE(x, 4 * i));
  return bytes.toString('base64');
}

/** Refuses models that do not embed and lengths that mean nothing, before anything is computed. */
function cutter({ dimensions }: Body, { id, engine: { description: { embedding } } }: ServedModel): (vector: Float32Array) => Float32Array {
  if (embedding === null) throw new ApiError(400, 'unsupported', `${id} was not made to give embeddings: it is a model that writes`, { param: 'model' });
  if ('refused' in embedding) throw new ApiError(400, 'unsupported', `${id} gives no embeddings: ${embedding.refused}`, { param: 'model' });
  if (typeof dimensions !== 'number' || dimensions === embedding.size) return (vector) => vector;
  if (!allowed(embedding, dimensions)) {
    const { dimensions: known, size } = embedding, why = known === null ? `its vectors have ${size} and are not made to be cut` : known === 'any' ? `its vectors have ${size}` : `it knows ${[...known, size].join(', ')}`;
    throw new ApiError(400, 'invalid_value', `dimensions: ${id} cannot give ${dimensions}: ${why}`, { param: 'dimensions' });
  }
  return (vector) => (embedding.normalised ? ofLengthOne(vector.slice(0, dimensions)) : vector.slice(0, dimensions));
}

type Made = Exclude<EngineDescription['embedding'], null | { refused: string }>;
const allowed = ({ dimensions: known, size }: Made, asked: number): boolean => asked < size && (known === 'any' || (known?.includes(asked) ?? false));

function refusedInput(refusal: Refusal): ApiError {
  if (refusal.code !== 'context_length_exceeded') return refused(refusal, 'input');
  return new ApiError(400, refusal.code, `the context takes ${refusal.context} tokens and one of the texts has ${refusal.promptTokens}; shorten or divide it`, { param: 'input' });
}

/** As for any answer: it may have to wait, it ends when its client leaves or its time is over, and it is counted and recorded. */
async function embedded(c: RouteContext, state: ServerState, served: ServedModel, request: EmbedRequest): Promise<Embeddings> {
  admit(state, served, 1);
  const { metrics, audit, log, open, limits: { timeLimit } } = state, { engine, id: model } = served, begun = new Date(), answer = engine.embed(request), { outgoing } = c.env;
  const left = (): void => answer.cancel('client'), timer = setTimeout(() => answer.cancel('time_limit'), timeLimit * 1000).unref();
  open.add(answer);
  outgoing.once('close', left);
  try {
    for await (const event of answer) {
      if (event.type === 'refused') throw refusedInput(event.refusal);
      if (event.type !== 'embeddings') continue;
      const { tokens, joules, cutShort } = event, { method } = engine.description.energy;
      metrics.tokens.inc({ model, kind: 'prompt' }, tokens);
      if (joules !== null) metrics.joules.inc({ model, method }, joules);
      if (cutShort) metrics.cutShort.inc({ model, reason: cutShort });
      audit?.write({
        time: begun.toISOString(), id: `embd-${randomUUID()}`, user: c.get('user').name, model, weights_sha256: await served.weights.catch(() => null),
        choices: 1, prompt_tokens: tokens, cached_tokens: 0, completion_tokens: 0, reasoning_tokens: 0, seconds: (Date.now() - begun.getTime()) / 1000, joules, energy_method: method,
        finish: [cutShort ?? 'embedding'], ...(audit.texts && { messages: [...request.inputs] }),
      });
      if (audit?.failure) {
        log.error({ error: audit.failure }, 'audit');
        throw unrecorded(audit);
      }
      if (cutShort) throw new ApiError(503, cutShort === 'client' ? 'client_left' : cutShort, 'the request was ended before its vectors were there', { headers: { 'Retry-After': '5' } });
      return event;
    }
    throw new ApiError(500, 'engine_failed', 'the engine said nothing');
  } finally {
    clearTimeout(timer);
    outgoing.off('close', left);
    open.delete(answer);
  }
}
