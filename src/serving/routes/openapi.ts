// GET /openapi.json: the OpenAPI 3.1 document, made from the same schemas that check the requests.

import { openapiDocument } from '../openapi.ts';
import type { Route } from '../route.ts';
import { routes } from './index.ts';

export const openapi: Route = {
  method: 'get',
  path: '/openapi.json',
  summary: 'This description of the server',
  answers: { 'application/json': null },
  answer: (c) => c.json(openapiDocument(routes)),
};
