// Numbers as people read them: three significant digits, a unit that fits, a thin column layout.
import { visibleLength } from './terminal.ts';

/** 12.3 k, 4.56 M, 789 G …; small numbers as they are. */
export function si(value: number): string {
  const size = Math.abs(value);
  if (size < 1e4 && Number.isInteger(value)) return grouped(value);
  for (const [limit, unit] of [[1e21, 'Z'], [1e18, 'E'], [1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    if (size >= limit) return `${digits(value / limit)} ${unit}`;
  }
  return digits(value);
}

/** Three significant digits, never in powers of ten unless really small. */
export function digits(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1000) return grouped(Math.round(value));
  return size >= 1e-4 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

/** Seconds as 0.4 s, 12 s, 3 min 7 s, 2 h 5 min, 3 d 4 h. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  return h > 0 ? `${h} h ${m} min` : `${m} min ${s} s`;
}

/** Energy in the unit that fits: J, Wh, kWh. */
export function energy(kilowattHours: number): string {
  if (kilowattHours === 0) return '0 J';
  if (kilowattHours < 1e-3) return `${digits(kilowattHours * 3.6e6)} J`;
  return kilowattHours < 1 ? `${digits(kilowattHours * 1000)} Wh` : `${digits(kilowattHours)} kWh`;
}

/** Euro, or cents below one. */
export function money(euro: number): string {
  if (euro === 0) return '0 €';
  return Math.abs(euro) < 1 ? `${digits(euro * 100)} ct` : `${grouped(Number(euro.toFixed(2)))} €`;
}

export function grams(value: number): string {
  return value >= 1000 ? `${digits(value / 1000)} kg` : `${digits(value)} g`;
}

export function bytes(value: number): string {
  for (const [limit, unit] of [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']] as const) {
    if (value >= limit) return `${digits(value / limit)} ${unit}`;
  }
  return `${value} B`;
}

/** Local date and time to the minute. */
export function moment(iso: string): string {
  const d = new Date(iso);
  const two = (n: number): string => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** Breaks plain text at spaces; lines after the first are indented. */
export function wrap(text: string, width: number, indent = 0): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    const room = Math.max(width, 30) - (lines.length > 1 ? indent : 0);
    if (last !== '' && visibleLength(last) + 1 + visibleLength(word) > room) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line, i) => (i === 0 ? line : ' '.repeat(indent) + line));
}

/** Cuts plain text to `width` columns, with an ellipsis. */
export function clip(text: string, width: number): string {
  return visibleLength(text) <= width ? text : `${[...text].slice(0, Math.max(0, width - 1)).join('')}…`;
}

export interface Column { title: string; align?: 'left' | 'right' }

/** Columns two spaces apart, as wide as their widest cell; `head` styles the titles. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], head: (text: string) => string = (t) => t): string {
  const widths = columns.map(({ title }, i) => Math.max(visibleLength(title), ...rows.map((r) => visibleLength(r[i] ?? ''))));
  const fill = (cell: string, i: number): string => {
    const space = ' '.repeat(widths[i]! - visibleLength(cell));
    return columns[i]!.align === 'right' ? space + cell : cell + space;
  };
  const withTitles = columns.some(({ title }) => title !== '');
  return [
    ...(withTitles ? [columns.map(({ title }, i) => head(fill(title, i))).join('  ').trimEnd()] : []),
    ...rows.map((row) => columns.map((_, i) => fill(row[i] ?? '', i)).join('  ').trimEnd()),
  ].join('\n');
}

/** 12,345 */
export function grouped(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 2 });
}
