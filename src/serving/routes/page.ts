// GET /: the studio.

import { ApiError } from '../api-error.ts';
import type { Route } from '../route.ts';
import { pageFiles, pagePolicy } from '../studio/page-files.ts';

export const page: Route = {
  method: 'get',
  path: '/',
  summary: 'The studio, a page for people',
  access: 'anyone',
  answers: { 'text/html': null },
  answer(c) {
    const file = pageFiles().get('index.html');
    if (!file) throw new ApiError(503, 'page_not_built', 'the page was not built; in a checkout `node scripts/setup.js` does it');
    return c.body(file.bytes, 200, { 'Content-Type': file.type, 'Content-Security-Policy': pagePolicy, 'Cache-Control': 'no-cache' });
  },
};
