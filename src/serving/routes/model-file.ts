// PUT /api/models/:id: adds a GGUF file, sent as it is; DELETE removes one from the models folder. What runs made is never
// removed here.

import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { fsyncFolder, makeFolder, requireFreeDisk, writeFully } from '../../durable-file.ts';
import { modelsFolder } from '../../models/model-path.ts';
import { ApiError } from '../api-error.ts';
import type { Route } from '../route.ts';
import { readableModel } from '../readable-model.ts';
import { forgetFacts } from '../studio/model-shelf.ts';

const modelAddedSchema = z.object({ id: z.string(), bytes: z.int() }).meta({ id: 'ModelAdded' });
const modelRemovedSchema = z.object({ removed: z.string() }).meta({ id: 'ModelRemoved' });

function checkedName(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/.test(id)) throw new ApiError(400, 'invalid_value', 'the name of a model has letters, digits, ".", "_" and "-"', { param: 'id' });
  return id;
}

export const modelAdd: Route = {
  method: 'put',
  path: '/api/models/:id',
  summary: 'Add a model: the body is a GGUF file',
  access: 'operator',
  answers: { 'application/json': modelAddedSchema },
  async answer(c, { home, held }) {
    const id = checkedName(c.req.param('id')!), folder = modelsFolder(home), path = join(folder, id), temporary = join(folder, `.${id}.${process.pid}.part.gguf`);
    if (!id.endsWith('.gguf')) throw new ApiError(415, 'unsupported_media_type', 'only GGUF files are added here; put a Hugging Face folder into the models folder by hand');
    if (existsSync(path)) throw new ApiError(409, 'exists', `there is a model "${id}" already`);
    makeFolder(folder);
    requireFreeDisk(folder, Number(c.req.header('content-length') ?? 0), 'adding this model');
    let bytes = 0;
    try {
      const file = openSync(temporary, 'w');
      try {
        for await (const part of (c.req.raw.body ?? []) as AsyncIterable<Uint8Array>) {
          writeFully(file, part);
          bytes += part.length;
        }
      } finally {
        closeSync(file);
      }
      readableModel(temporary, held); // refuses what is no model, or one that nothing here can run
      renameSync(temporary, path);
      fsyncFolder(folder);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    return c.json({ id, bytes } satisfies z.output<typeof modelAddedSchema>);
  },
};

export const modelRemove: Route = {
  method: 'delete',
  path: '/api/models/:id',
  summary: 'Remove a model from the models folder',
  access: 'operator',
  answers: { 'application/json': modelRemovedSchema },
  async answer(c, { home, store }) {
    const id = checkedName(c.req.param('id')!), path = join(modelsFolder(home), id);
    if (!existsSync(path)) throw new ApiError(404, 'model_not_found', `the models folder has no "${id}"; what a run made is removed with its run`);
    if (store.models.get(id)?.path === path) await store.unload(id);
    rmSync(path, { recursive: true });
    forgetFacts(path);
    return c.json({ removed: id } satisfies z.output<typeof modelRemovedSchema>);
  },
};
