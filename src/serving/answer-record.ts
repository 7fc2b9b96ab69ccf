// One answer as the audit keeps it, gathered from the engine's events on their way to the client.

import type { Audit } from './audit.ts';
import type { ChoiceEnd, EngineEvent, EngineRequest } from './engines/engine.ts';
import type { ServedModel } from './server-state.ts';

export class AnswerRecord {
  private readonly audit: Audit;
  private readonly id: string;
  private readonly user: string;
  private readonly served: ServedModel;
  private readonly request: EngineRequest;
  private readonly begun = new Date();
  private readonly ends: (ChoiceEnd | undefined)[];
  private readonly answers: { thinking: string; content: string; calls: unknown[] }[];
  private prompt = 0;
  private refused = false;

  constructor(audit: Audit, id: string, user: string, served: ServedModel, request: EngineRequest) {
    this.audit = audit;
    this.id = id;
    this.user = user;
    this.served = served;
    this.request = request;
    this.ends = Array.from({ length: request.choices });
    this.answers = Array.from({ length: request.choices }, () => ({ thinking: '', content: '', calls: [] }));
  }

  see(event: EngineEvent): void {
    if (event.type === 'prompt') this.prompt = event.tokens;
    else if (event.type === 'end') this.ends[event.choice] = event;
    else if (event.type === 'refused') this.refused = true;
    else if (event.type === 'piece' && this.audit.texts) {
      const answer = this.answers[event.choice]!;
      answer.thinking += event.thinking;
      answer.content += event.content;
      answer.calls.push(...(event.calls ?? []));
    }
  }

  /** However it ended: what a client that left had cost is on the record, too. */
  async write(): Promise<void> {
    const { audit, served, request, ends, refused } = this, sum = (f: (end: ChoiceEnd) => number): number => ends.reduce((n, e) => n + (e ? f(e) : 0), 0);
    const weights = await served.weights.catch(() => null);
    audit.write({
      time: this.begun.toISOString(), id: this.id, user: this.user, model: served.id, weights_sha256: weights,
      choices: request.choices, prompt_tokens: this.prompt, cached_tokens: sum((e) => e.cachedTokens), completion_tokens: sum((e) => e.tokens), reasoning_tokens: sum((e) => e.reasoningTokens),
      seconds: (Date.now() - this.begun.getTime()) / 1000, joules: ends.some((e) => e?.joules === null) ? null : Number(sum((e) => e.joules ?? 0).toFixed(6)), energy_method: served.engine.description.energy.method,
      finish: ends.map((e) => (e ? e.cutShort ?? e.finish : refused ? 'refused' : 'client')),
      ...(audit.texts && { messages: [...request.messages], answers: this.answers }),
    });
  }
}
