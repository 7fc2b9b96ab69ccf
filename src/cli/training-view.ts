// What a person sees while a run trains: a progress line with loss or reward, each evaluation with its families, and the
// same problems before and after, thoughts and all.
import type { Evaluation } from '../training/evaluation.ts';
import { shownAnswers } from '../training/evaluation.ts';
import type { EvaluationLabel, Summary, TrainEvent } from '../training/train.ts';
import { duration, si } from './figures.ts';
import { type Progress, openProgress } from './progress.ts';
import { type Terminal, styleFor } from './terminal.ts';

const err = styleFor(process.stderr);
const say = (text = ''): void => { process.stderr.write(`${text}\n`); };
const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;
const stageNames: Readonly<Record<string, string>> = { sft: 'reading demonstrations (SFT)', grpo: 'reinforcement (GRPO)', pretrain: 'pre-training' };

/** Prints events as they come; all on stderr, so that a report on stdout stays alone. */
export function trainingView(): (event: TrainEvent) => void {
  let progress: Progress | null = null, answers: Progress | null = null, before: Evaluation | null = null, reinforced = false;
  const done = (): void => { progress?.finish(); progress = null; };
  return (event) => {
    switch (event.type) {
      case 'start': {
        const { recipe, parameters, resumedFrom, run } = event;
        reinforced = recipe.stages.some((s) => s.method === 'grpo');
        say(`${err.bold(run.name)}  ${si(parameters)} parameters, ${String((recipe.model as { type?: string; from?: string }).type ?? (recipe.model as { from?: string }).from)}  ${err.dim(run.path)}`);
        if (resumedFrom !== null) say(err.dim(`goes on after step ${resumedFrom}`));
        break;
      }
      case 'stage':
        done();
        break;
      case 'step': {
        const { row } = event, reward = row['reward'];
        progress ??= openProgress({ label: stageNames[event.method] ?? event.method, total: event.stageSteps, unit: 'steps' }); // anew behind an evaluation
        progress.update(event.stageStep, reward === undefined
          ? `loss ${Number(row['loss']).toFixed(3)} · ${si(Number(row['tokens_per_s']))} tokens/s`
          : `reward ${Number(reward).toFixed(2)} · length ${Number(row['length']).toFixed(0)} · no signal ${percent(Number(row['dead_groups']))} · ${si(Number(row['tokens_per_s']))} tokens/s`);
        break;
      }
      case 'answers':
        answers ??= openProgress({ label: 'measuring', total: event.total, unit: 'answers' });
        answers.update(event.done);
        break;
      case 'evaluation': {
        answers?.finish();
        answers = null;
        if (event.label === 'between') {
          progress?.finish(err.dim(`  step ${event.step}: ${familyLine(event.evaluation)}`));
          break;
        }
        done();
        say(`${err.bold(evaluationName(event.label, reinforced))} ${percent(event.evaluation.mean)}   ${familyLine(event.evaluation)}`);
        if (event.label === 'before') before = event.evaluation;
        if (event.label === 'after') printThoughts(before, event.evaluation);
        break;
      }
      case 'checkpoint': break;
    }
  };
}

function evaluationName(label: EvaluationLabel, reinforced: boolean): string {
  if (label === 'after_without_thinking') return 'the same model, forced not to think:';
  if (label === 'before') return reinforced ? 'after the demonstrations:' : 'untouched:';
  return reinforced ? 'after reinforcement:' : 'after training:';
}

const familyLine = ({ families }: Evaluation): string => families.map((f) => `${f.task} ${percent(f.accuracy)}`).join('  ');

function printThoughts(before: Evaluation | null, after: Evaluation): void {
  const now = shownAnswers(after, 5), then = before ? shownAnswers(before, 5) : [];
  const mark = (right: boolean): string => (right ? err.green('right') : err.red('wrong'));
  say();
  now.forEach((answer, i) => {
    say(`  ${err.bold(answer.prompt)}`);
    const earlier = then[i];
    if (earlier) say(`    before  ${err.dim(earlier.thinking || '(no thought)')} → ${earlier.content || '(no answer)'}  ${mark(earlier.right)}`);
    say(`    ${earlier ? 'after ' : '      '}  ${err.dim(answer.thinking || '(no thought)')} → ${answer.content || '(no answer)'}  ${mark(answer.right)}`);
  });
  say();
}

/** The bill in one line and the curve, at the end of a run. */
export function printSummary(summary: Summary, euroPerKwh: number, curve: readonly number[], terminal: Terminal): void {
  const kwh = summary.joules.value / 3.6e6, cents = 100 * kwh * euroPerKwh;
  if (curve.length > 2) terminal.print(`reward ${sparkline(curve)} ${percent(curve.at(-1)!)}`);
  if (summary.after_without_thinking !== undefined && summary.after !== undefined) {
    terminal.print(`with thinking ${percent(summary.after)}, without ${percent(summary.after_without_thinking)}: the thinking does ${Math.round(100 * (summary.after - summary.after_without_thinking))} points of it`);
  }
  terminal.print(`${si(summary.tokens.trained)} tokens trained, ${si(summary.tokens.sampled)} sampled, ${duration(summary.seconds)}, ${summary.joules.value} J by ${summary.joules.method}, ${cents.toFixed(3)} euro cents`);
  const tokens = summary.tokens.trained + summary.tokens.sampled, peak = process.resourceUsage().maxRSS / 1024;
  terminal.print(terminal.out.dim(`${Math.round(tokens / summary.seconds)} tokens/s, all in all; peak memory ${peak.toFixed(0)} MiB`));
}

/** One line of eight heights; values between 0 and 1. */
export function sparkline(values: readonly number[], width = 48): string {
  const size = Math.max(1, values.length / width), bars = '▁▂▃▄▅▆▇█';
  return Array.from({ length: Math.min(width, values.length) }, (_, i) => {
    const part = values.slice(Math.floor(i * size), Math.max(Math.floor(i * size) + 1, Math.floor((i + 1) * size)));
    const mean = part.reduce((a, b) => a + b, 0) / part.length;
    return bars[Math.min(7, Math.max(0, Math.floor(mean * 8)))];
  }).join('');
}
