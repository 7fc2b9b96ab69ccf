// Progress of anything that takes over two seconds: on a terminal one line that redraws itself, with bar, rate and time
// left; elsewhere a plain line every few seconds. The rate is that of the last half minute, so that it follows changes.
import { clip, duration, si } from './figures.ts';
import { styleFor, visibleLength, withoutColour } from './terminal.ts';

export interface ProgressOptions {
  label: string;
  /** Null: unknown, no bar and no time left. */
  total: number | null;
  /** What is counted, in the plural: `steps`, `tokens`. */
  unit: string;
  stream?: ProgressStream;
  /** Milliseconds; for tests. */
  now?: () => number;
}

interface ProgressStream { write(text: string): unknown; isTTY?: boolean; columns?: number }

export interface Progress {
  /** @param detail changing figures such as `loss 1.23` */
  update(done: number, detail?: string): void;
  /** Ends the line; with `text` it stays as a line of its own. */
  finish(text?: string): void;
}

const redrawEvery = 100, plainEvery = 5000, quietFor = 500, plainQuietFor = 2000, rateWindow = 30_000;

export function openProgress({ label, total, unit, stream = process.stderr as ProgressStream, now = () => performance.now() }: ProgressOptions): Progress {
  const live = stream.isTTY === true && process.env.TERM !== 'dumb';
  const style = styleFor(stream);
  const begun = now();
  const samples: { at: number; done: number }[] = [];
  let shown = begun - (live ? redrawEvery : plainEvery);
  let drawn = false;

  const rate = (): number => {
    const [first, last] = [samples[0], samples.at(-1)];
    return first && last && last.at > first.at ? ((last.done - first.done) / (last.at - first.at)) * 1000 : 0;
  };

  const line = (done: number, detail: string): string => {
    const perSecond = rate();
    const left = total !== null && perSecond > 0 && done < total ? `${duration((total - done) / perSecond)} left` : '';
    const count = total === null ? `${si(done)} ${unit}` : `${si(done)}/${si(total)} ${unit}`;
    const facts = [count, perSecond > 0 ? `${si(perSecond)}/s` : '', left].filter(Boolean).join(' · ');
    if (!live) return [label, total !== null && total > 0 ? `${Math.floor((done / total) * 100)} %` : '', facts, detail].filter(Boolean).join(' · ');
    const tail = `  ${facts}${detail && `  ${style.dim(detail)}`}`;
    const room = (stream.columns ?? 80) - visibleLength(label) - visibleLength(tail) - 3;
    const bar = total === null || room < 8 ? '' : ` ${drawBar(Math.min(room, 32), total > 0 ? done / total : 1, style)}`;
    return `${style.bold(label)}${bar}${tail}`;
  };

  return {
    update(done, detail = '') {
      const at = now();
      samples.push({ at, done });
      while (samples.length > 2 && at - samples[1]!.at > rateWindow) samples.shift();
      if (at - shown < (live ? redrawEvery : plainEvery) || at - begun < (live ? quietFor : plainQuietFor)) return;
      shown = at;
      drawn = true;
      stream.write(live ? `\r${fitted(line(done, detail), stream.columns ?? 80)}\x1b[K` : `${line(done, detail)}\n`);
    },
    finish(text) {
      if (live && drawn) stream.write('\r\x1b[K');
      if (text !== undefined) stream.write(`${text}\n`);
    },
  };
}

function drawBar(width: number, share: number, style: ReturnType<typeof styleFor>): string {
  const halves = Math.round(Math.min(1, Math.max(0, share)) * width * 2);
  const full = '━'.repeat(Math.floor(halves / 2)) + (halves % 2 ? '╸' : '');
  return style.cyan(full) + style.dim('─'.repeat(width - Math.ceil(halves / 2)));
}

// A line longer than the terminal would wrap and pile up.
function fitted(text: string, width: number): string {
  return visibleLength(text) < width ? text : clip(withoutColour(text), width - 1);
}
