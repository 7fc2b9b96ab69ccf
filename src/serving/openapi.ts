// Routes to an OpenAPI 3.1 document. Its schemas are JSON Schema 2020-12, which zod writes.

import { z } from 'zod';
import { errorSchema } from './api-error.ts';
import type { Route } from './route.ts';

export function openapiDocument(routes: readonly Route[]): Record<string, unknown> {
  const schemas: Record<string, unknown> = {}, paths: Record<string, Record<string, unknown>> = {};
  const reference = (schema: z.ZodType, io: 'input' | 'output'): object => {
    // zod puts a schema with an id under $defs and refers to it there.
    const { $ref, $defs } = JSON.parse(JSON.stringify(z.toJSONSchema(schema, { io })).replaceAll('"#/$defs/', '"#/components/schemas/')) as { $ref: string; $defs: Record<string, unknown> };
    Object.assign(schemas, $defs);
    return { $ref };
  };
  const failure = { description: 'What went wrong.', content: { 'application/json': { schema: reference(errorSchema, 'output') } } };
  for (const { method, path, summary, query, body, answers } of routes) {
    const content = Object.fromEntries(Object.entries(answers).map(([type, schema]) => [type, { schema: schema ? reference(schema, 'output') : type === 'text/plain' ? { type: 'string' } : { type: 'object' } }]));
    const parameters = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } as object }));
    for (const [name, schema] of Object.entries(query?.shape ?? {})) {
      const { $schema: _, ...described } = z.toJSONSchema(schema as z.ZodType, { io: 'input' });
      parameters.push({ name, in: 'query', required: false, schema: described });
    }
    (paths[path.replace(/:(\w+)/g, '{$1}')] ??= {})[method] = {
      summary, operationId: `${method}${path.replace(/[^A-Za-z0-9]+(.)/g, (_, c: string) => c.toUpperCase())}`,
      ...(parameters.length > 0 && { parameters }),
      ...(body && { requestBody: { required: true, content: { 'application/json': { schema: reference(body, 'input') } } } }),
      responses: { 200: { description: 'Done.', content }, default: failure },
    };
  }
  return { openapi: '3.1.0', info: { title: 'tiefsuche', version: '1', description: 'A local server for reasoning models, in OpenAI\'s protocol.' }, paths, components: { schemas } };
}
