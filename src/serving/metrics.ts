// Counters for Prometheus. Names follow its conventions: base units, `_total` for counters.

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { ServedModel } from './server-state.ts';

export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'route' | 'status'>;
  readonly tokens: Counter<'model' | 'kind'>;
  readonly joules: Counter<'model' | 'method'>;
  readonly firstToken: Histogram<'model'>;
  readonly perToken: Histogram<'model'>;
  readonly cutShort: Counter<'model' | 'reason'>;
}

export function makeMetrics(models: ReadonlyMap<string, ServedModel>): Metrics {
  const registry = new Registry(), registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'tiefsuche_choices_pending', help: 'Choices that are computed or wait.', labelNames: ['model'], registers,
    collect() { for (const { id, engine } of models.values()) this.set({ model: id }, engine.pending); },
  });
  return {
    registry,
    requests: new Counter({ name: 'tiefsuche_http_requests_total', help: 'HTTP requests answered.', labelNames: ['route', 'status'], registers }),
    tokens: new Counter({ name: 'tiefsuche_tokens_total', help: 'Tokens: prompt (read), cached (taken over), reasoning, answer.', labelNames: ['model', 'kind'], registers }),
    joules: new Counter({ name: 'tiefsuche_energy_joules_total', help: 'Energy of answers, by the meter named.', labelNames: ['model', 'method'], registers }),
    firstToken: new Histogram({ name: 'tiefsuche_first_token_seconds', help: 'From arrival to the first token.', labelNames: ['model'], buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100], registers }),
    perToken: new Histogram({ name: 'tiefsuche_seconds_per_token', help: 'Seconds between tokens, mean of a choice.', labelNames: ['model'], buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3], registers }),
    cutShort: new Counter({ name: 'tiefsuche_choices_cut_short_total', help: 'Choices ended by the server or given up by the client.', labelNames: ['model', 'reason'], registers }),
  };
}
