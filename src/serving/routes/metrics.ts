// GET /metrics: counters for Prometheus.

import type { Route } from '../route.ts';

export const metrics: Route = {
  method: 'get',
  path: '/metrics',
  access: 'operator',
  summary: 'Counters for Prometheus',
  answers: { 'text/plain': null },
  answer: async (c, { metrics: { registry } }) => c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType }),
};
