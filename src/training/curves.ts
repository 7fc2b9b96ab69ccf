// curves.svg: how a run went, as one small picture of stacked panels over the steps. A pure function of metrics.jsonl:
// the same rows give the same bytes. Faint line: the values; strong line: their running mean. Colours follow the reader's
// light or dark theme; panels without data are left out. Long runs are thinned to the mean of each of 240 columns.
import type { MetricsRow } from '../runs/run-folder-metrics.ts';

export interface Panel {
  title: string;
  /** Columns of metrics.jsonl, with what the legend calls them. */
  series: readonly { key: string; label: string }[];
  /** Fixed lower and upper end of the axis; otherwise the values decide. */
  range?: readonly [number, number];
}

export const defaultPanels: readonly Panel[] = [
  { title: 'loss (nats per token)', series: [{ key: 'loss', label: 'training' }, { key: 'heldout_loss', label: 'held out' }] },
  { title: 'reward', series: [{ key: 'reward', label: 'sampled' }, { key: 'accuracy', label: 'held out, greedy' }], range: [0, 1] },
  { title: 'answer length (tokens)', series: [{ key: 'length', label: 'all' }, { key: 'length_right', label: 'right' }, { key: 'length_wrong', label: 'wrong' }] },
];

interface Point { step: number; value: number }
interface StageSpan { step: number; name: string; end: number }

const width = 720, left = 56, right = 16, plotHeight = 132, gap = 48, top = 34;
const columns = 240;

/** @param rows of one run, in order; `stage` marks where one method ends and the next begins */
export function curvesSvg(rows: readonly MetricsRow[], { title = '', panels = defaultPanels }: { title?: string; panels?: readonly Panel[] } = {}): string {
  const drawn = panels
    .map((panel) => ({ panel, lines: panel.series.map(({ key, label }) => ({ label, points: pointsOf(rows, key) })).filter((l) => l.points.length > 0) }))
    .filter(({ lines }) => lines.length > 0);
  const height = top + drawn.length * (plotHeight + gap) + (drawn.length === 0 ? 30 : 0);
  const body = drawn.map(({ panel, lines }, i) => panelSvg(panel, lines, top + 22 + i * (plotHeight + gap), stageSpans(rows)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title || 'training curves')}">`,
    `<style>${style}</style>`,
    `<rect class="paper" width="${width}" height="${height}"/>`,
    title && `<text class="title" x="${left}" y="22">${escape(title)}</text>`,
    ...(drawn.length === 0 ? [`<text x="${left}" y="${top + 16}">no measurements yet</text>`] : body),
    '</svg>', '',
  ].filter((part, i, all) => part !== '' || i === all.length - 1).join('\n');
}

const style = [
  'text{font:11px system-ui,sans-serif;fill:#59636e}.title{font-weight:600;font-size:13px}.name{font-weight:600}.end{text-anchor:end}.mid{text-anchor:middle}',
  '.paper{fill:#fff}.title,.name{fill:#1f2328}.grid{stroke:#d8dee4;stroke-width:1}.stage{stroke:#8c959f;stroke-dasharray:3 3}',
  'path{fill:none;stroke-linejoin:round}.raw{stroke-width:1;opacity:.3}.mean{stroke-width:2}',
  '.s0{stroke:#0a58ca}.s1{stroke:#bc4c00}.s2{stroke:#6f42c1}text.s0,circle.s0{fill:#0a58ca;stroke:none}text.s1,circle.s1{fill:#bc4c00;stroke:none}text.s2,circle.s2{fill:#6f42c1;stroke:none}',
  '@media (prefers-color-scheme:dark){text{fill:#9198a1}.paper{fill:#0d1117}.title,.name{fill:#f0f6fc}.grid{stroke:#2a313c}.stage{stroke:#656c76}',
  '.s0{stroke:#58a6ff}.s1{stroke:#f0883e}.s2{stroke:#bc8cff}text.s0,circle.s0{fill:#58a6ff}text.s1,circle.s1{fill:#f0883e}text.s2,circle.s2{fill:#bc8cff}}',
].join('');

function panelSvg(panel: Panel, lines: readonly { label: string; points: Point[] }[], y0: number,
  stages: readonly StageSpan[]): string {
  const values = lines.flatMap((l) => l.points.map((p) => p.value));
  // Each panel spans its own steps: sixty steps of reinforcement after six hundred of imitation are not a corner.
  const steps = lines.flatMap((l) => [l.points[0]!.step, l.points.at(-1)!.step]);
  const first = Math.min(...steps);
  const last = Math.max(...steps, first + 1);
  const x = (step: number): number => left + ((step - first) / (last - first)) * (width - left - right);
  const ticks = niceTicks(...(panel.range ?? [Math.min(...values), Math.max(...values)]), 4);
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  const y = (value: number): number => y0 + plotHeight - ((clamp(value, low, high) - low) / (high - low)) * plotHeight;
  const out = [`<text class="name" x="${left}" y="${y0 - 9}">${escape(panel.title)}</text>`];
  let legend = width - right;
  for (const [i, { label, points }] of [...lines.entries()].reverse()) {
    const text = `${label} ${number(points.at(-1)!.value)}`;
    out.push(`<text class="s${i} end" x="${legend}" y="${y0 - 9}">${escape(text)}</text>`);
    legend -= text.length * 6 + 14;
  }
  for (const tick of ticks) {
    out.push(`<path class="grid" d="M${left} ${fixed(y(tick))}H${width - right}"/><text class="end" x="${left - 6}" y="${fixed(y(tick) + 4)}">${number(tick)}</text>`);
  }
  for (const { step, name, end } of stages) {
    if (end < first || step > last) continue;
    if (step > first) out.push(`<path class="stage" d="M${fixed(x(step))} ${y0}v${plotHeight}"/>`);
    out.push(`<text x="${fixed(x(Math.max(step, first)) + 4)}" y="${y0 + 11}">${escape(name)}</text>`);
  }
  lines.forEach(({ points }, i) => {
    const thin = thinned(points, first, last);
    const smooth = runningMean(thin);
    if (points.length === 1) out.push(`<circle class="s${i}" cx="${fixed(x(points[0]!.step))}" cy="${fixed(y(points[0]!.value))}" r="3"/>`);
    if (thin.length > 12) out.push(`<path class="raw s${i}" d="${pathOf(thin, x, y)}"/>`);
    out.push(`<path class="mean s${i}" d="${pathOf(thin.length > 12 ? smooth : thin, x, y)}"/>`);
  });
  for (const step of niceTicks(first, last, 6).filter((s) => s >= first && s <= last && Number.isInteger(s))) {
    out.push(`<text class="mid" x="${fixed(x(step))}" y="${y0 + plotHeight + 15}">${number(step)}</text>`);
  }
  return out.join('\n');
}

function pointsOf(rows: readonly MetricsRow[], key: string): Point[] {
  return rows.flatMap((row) => {
    const value = row[key];
    return typeof value === 'number' && Number.isFinite(value) ? [{ step: row.step, value }] : [];
  });
}

function stageSpans(rows: readonly MetricsRow[]): StageSpan[] {
  const spans: StageSpan[] = [];
  for (const { step, stage } of rows) {
    if (typeof stage !== 'string') continue;
    if (stage !== spans.at(-1)?.name) spans.push({ step, name: stage, end: step });
    spans.at(-1)!.end = step;
  }
  return spans;
}

function thinned(points: readonly Point[], first: number, last: number): Point[] {
  if (points.length <= columns) return [...points];
  const buckets = new Map<number, Point[]>();
  for (const point of points) {
    const column = Math.min(columns - 1, Math.floor(((point.step - first) / (last - first)) * columns));
    buckets.set(column, [...(buckets.get(column) ?? []), point]);
  }
  return [...buckets.values()].map((b) => ({ step: b.reduce((s, p) => s + p.step, 0) / b.length, value: b.reduce((s, p) => s + p.value, 0) / b.length }));
}

// Over a window of a twentieth of the line, shorter at its ends.
function runningMean(points: readonly Point[]): Point[] {
  const reach = Math.max(1, Math.floor(points.length / 40));
  return points.map(({ step }, i) => {
    const window = points.slice(Math.max(0, i - reach), i + reach + 1);
    return { step, value: window.reduce((sum, p) => sum + p.value, 0) / window.length };
  });
}

/** Round numbers that span the range. */
export function niceTicks(low: number, high: number, wanted: number): number[] {
  if (!(high > low)) [low, high] = [low - Math.max(Math.abs(low), 1) * 0.5, high + Math.max(Math.abs(high), 1) * 0.5];
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 2.5, 5, 10].map((m) => m * power).find((u) => u >= rough * 0.999)!;
  const start = Math.floor(low / unit + 1e-9);
  const end = Math.ceil(high / unit - 1e-9);
  return Array.from({ length: end - start + 1 }, (_, i) => Number(((start + i) * unit).toPrecision(12)));
}

function pathOf(points: readonly Point[], x: (step: number) => number, y: (value: number) => number): string {
  return points.map(({ step, value }, i) => `${i === 0 ? 'M' : 'L'}${fixed(x(step))} ${fixed(y(value))}`).join('');
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function fixed(value: number): string {
  return String(Number(value.toFixed(1)));
}

function number(value: number): string {
  const size = Math.abs(value);
  return size >= 1e6 ? `${Number((value / 1e6).toPrecision(3))}M` : size >= 1e4 ? `${Number((value / 1e3).toPrecision(3))}k`
    : String(Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 3)));
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);
}
