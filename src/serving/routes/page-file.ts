// GET /studio/:file: scripts, styles and fonts of the page.

import { ApiError } from '../api-error.ts';
import type { Route } from '../route.ts';
import { pageFiles } from '../studio/page-files.ts';

export const pageFile: Route = {
  method: 'get',
  path: '/studio/:file',
  summary: 'A file of the page',
  access: 'anyone',
  answers: { 'application/octet-stream': null },
  answer(c) {
    const name = c.req.param('file')!, file = pageFiles().get(name);
    if (!file || name === 'index.html') throw new ApiError(404, 'not_found', `the page has no file ${name}`);
    return c.body(file.bytes, 200, { 'Content-Type': file.type, 'Cache-Control': 'public, max-age=31536000, immutable' });
  },
};
