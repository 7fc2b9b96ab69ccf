// What a run writes while it works: a row of metrics for each step, and ticks in the ledger, at least every two seconds,
// so that a crash loses little of the bill.

import type { RecordedAttempt } from '../ledger/record-attempt.ts';
import type { RunEnd, RunTick } from '../ledger/events.ts';
import type { Work } from '../ledger/work-counter.ts';
import type { StepResult } from './method.ts';
import type { MetricsFile, MetricsRow } from '../runs/run-folder-metrics.ts';

const secondsPerTick = 2;

export class RunRecord {
  private readonly attempt: number;
  private readonly metrics: MetricsFile;
  private readonly recorded: RecordedAttempt;
  private readonly timer: NodeJS.Timeout;
  private at = { step: 0, stage: '' };
  private ended = false;

  constructor(attempt: number, metrics: MetricsFile, recorded: RecordedAttempt) {
    this.attempt = attempt;
    this.metrics = metrics;
    this.recorded = recorded;
    this.timer = setInterval(() => this.tickIfDue(), 500).unref();
  }

  /** Where the run stands, for ticks in the middle of something long. */
  stand(step: number, stage: string): void { this.at = { step, stage }; }

  add(work: Work): void { this.recorded.work.add(work); }

  /** Writes the row of one step. */
  step(step: number, stage: string, result: StepResult, seconds: number): MetricsRow {
    this.stand(step, stage);
    const { loss, metrics, trained, sampled, flops } = result;
    const row: MetricsRow = {
      step, stage, loss, ...metrics, tokens_trained: trained, tokens_sampled: sampled,
      flop_model: flops.model, flop_recompute: flops.recompute, flop_sampling: flops.sampling,
      seconds: rounded(seconds), tokens_per_s: Math.round((trained + sampled) / seconds), joules: rounded(this.recorded.work.joules()), attempt: this.attempt,
    };
    this.metrics.append(row);
    this.add({ trained, sampled, flop: flops });
    this.tickIfDue(loss, typeof metrics['reward'] === 'number' ? metrics['reward'] : null);
    return row;
  }

  private tickIfDue(loss: number | null = null, reward: number | null = null): void {
    if (this.recorded.work.seconds >= secondsPerTick) this.tick('train', loss, reward);
  }

  /** Puts everything since the last tick on record. */
  tick(phase: RunTick['phase'], loss: number | null = null, reward: number | null = null): void {
    if (this.ended) return;
    const { ledger, work } = this.recorded, { step, stage } = this.at;
    ledger.tick(work.take({ step, phase, ...(stage && { stage }), loss, reward }));
  }

  /** Makes all of it survive a power cut; before a checkpoint counts as saved. */
  flush(): void {
    this.metrics.flush();
    this.recorded.ledger.flush();
  }

  end(end: Omit<RunEnd, 'closed_by' | 'step'>): void {
    if (this.ended) return;
    this.tick('save');
    this.ended = true;
    this.recorded.ledger.end({ ...end, step: this.at.step });
  }

  close(): void {
    clearInterval(this.timer);
    this.metrics.close();
    this.recorded.close();
  }
}

const rounded = (x: number): number => Number(x.toPrecision(6));
