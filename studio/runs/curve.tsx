// One curve: raw values faint, their moving mean strong, stages apart, and a line where one looks. Several runs lie over
// each other. uPlot draws; a sentence says the same for those who do not see it.

import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { figure, number, percent, t } from '../i18n/index.ts';
import { theme } from '../parts/theme.ts';

export interface Line {
  readonly name: string;
  /** Which of the colours: a run has the same one in every curve. */
  readonly colour: number;
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
  /** Single measurements: points, nothing smoothed. */
  readonly points?: boolean;
}

type Share = 'percent' | 'number';
interface CurveProps { readonly title: string; readonly lines: readonly Line[]; readonly at: number | null; readonly stages: readonly number[]; readonly onPick?: (step: number) => void; /** It lies between 0 and 1. */ readonly share?: Share }

const mostPoints = 1200, height = 132;
export const lineColours = ['--line-1', '--line-2', '--line-3', '--line-4'] as const;

/** Mean over a window that grows with the run. */
function smoothed(values: readonly (number | null)[]): (number | null)[] {
  const rate = 2 / (1 + Math.min(25, Math.max(1, values.length / 25)));
  let mean: number | null = null;
  return values.map((v) => { if (v !== null) mean = mean === null ? v : mean + rate * (v - mean); return v === null ? null : mean; });
}

/** At most so many points: of each stretch its mean. */
function thinned({ steps, values, ...rest }: Line): Line {
  const size = Math.ceil(values.length / mostPoints);
  if (size <= 1) return { steps, values, ...rest };
  const thin: { steps: number[]; values: (number | null)[] } = { steps: [], values: [] };
  for (let i = 0; i < values.length; i += size) {
    const part = values.slice(i, i + size).filter((v): v is number => v !== null);
    thin.steps.push(steps[Math.min(i + size - 1, steps.length - 1)]!);
    thin.values.push(part.length > 0 ? part.reduce((a, b) => a + b, 0) / part.length : null);
  }
  return { ...thin, ...rest };
}

function dataOf(lines: readonly Line[]): uPlot.AlignedData {
  return uPlot.join(lines.map((l) => [[...l.steps], [...l.values], l.points ? l.values.map(() => null) : smoothed(l.values)] as unknown as uPlot.AlignedData));
}

export function Curve({ title, lines, at, stages, onPick, share }: CurveProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), place = useRef({ at, stages, onPick });
  place.current = { at, stages, onPick };
  const drawn = lines.map(thinned).filter((l) => l.values.some((v) => v !== null)), shape = drawn.map((l) => `${l.name}${l.colour}${l.points === true}`).join();

  useEffect(() => {
    const element = box.current;
    if (!element || drawn.length === 0) return;
    const style = getComputedStyle(element), colour = (name: string): string => style.getPropertyValue(name).trim();
    const font = `11px ${colour('--sans')}`, axis = { stroke: colour('--ink-2'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false }, font } satisfies uPlot.Axis;
    const series = drawn.flatMap((line): uPlot.Series[] => {
      const stroke = colour(lineColours[line.colour % lineColours.length]!);
      return [
        line.points ? { stroke, width: 1.5, points: { show: true, size: 5, fill: stroke }, spanGaps: true } : { stroke: `color-mix(in srgb, ${stroke} 28%, transparent)`, width: 1, points: { show: false }, spanGaps: true },
        { stroke, width: 2, points: { show: false }, spanGaps: true },
      ];
    });
    const marks = (u: uPlot): void => {
      const { ctx, bbox: { left, top, width, height: tall } } = u;
      const upright = (step: number, stroke: string, dash: number[]): void => {
        const x = Math.round(u.valToPos(step, 'x', true));
        if (x < left || x > left + width) return;
        ctx.save();
        ctx.strokeStyle = stroke;
        ctx.lineWidth = devicePixelRatio;
        ctx.setLineDash(dash.map((d) => d * devicePixelRatio));
        ctx.beginPath();
        ctx.moveTo(x, top);
        ctx.lineTo(x, top + tall);
        ctx.stroke();
        ctx.restore();
      };
      for (const step of place.current.stages) upright(step, colour('--ink-3'), [2, 3]);
      if (place.current.at !== null) upright(place.current.at, colour('--signal'), []);
    };
    const made = plot.current = new uPlot({
      width: Math.max(120, element.clientWidth), height, padding: [8, 18, 0, 0], legend: { show: false }, cursor: { sync: { key: 'runs' }, y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false }, ...(share && { y: { range: [0, 1] } }) },
      axes: [{ ...axis, size: 24, values: (_, ticks) => ticks.map((x) => number(x)), space: 60 }, { ...axis, size: 46, space: 32, values: (_, ticks) => ticks.map((y) => shown(y, share)) }],
      series: [{}, ...series], hooks: { draw: [marks] },
    }, dataOf(drawn), element);
    made.over.addEventListener('click', () => {
      const { left } = made.cursor;
      if (left !== undefined && left >= 0) place.current.onPick?.(made.posToVal(left, 'x'));
    });
    const watcher = new ResizeObserver(() => made.setSize({ width: Math.max(120, element.clientWidth), height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme.value]);

  useEffect(() => { if (drawn.length > 0) plot.current?.setData(dataOf(drawn)); }, [lines]);
  useEffect(() => { plot.current?.redraw(false); }, [at]);

  return (
    <figure class="curve">
      <figcaption>{title}{drawn.length === 1 && <strong>{lastOf(drawn[0]!, share)}</strong>}</figcaption>
      {drawn.length === 0 ? <p class="aside">{t('curve.none')}</p> : <div class="curve-plot" ref={box} aria-hidden="true" />}
      {drawn.map((line) => <p key={line.name} class="unseen">{summary(drawn.length > 1 ? `${title}, ${line.name}` : title, line, share)}</p>)}
    </figure>
  );
}

const present = (values: readonly (number | null)[]): number[] => values.filter((v): v is number => v !== null);
const shown = (value: number, share?: Share): string => (share === 'percent' ? percent(value) : figure(value));
const lastOf = ({ values, points }: Line, share?: Share): string => shown((points ? present(values) : present(smoothed(values))).at(-1) ?? 0, share);

function summary(name: string, { steps, values }: Line, share?: Share): string {
  const there = present(values);
  return t('curve.summary', { name, last: shown(there.at(-1)!, share), step: number(steps.at(-1) ?? 0), low: shown(Math.min(...there), share), high: shown(Math.max(...there), share) });
}
