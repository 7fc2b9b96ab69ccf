// A text of the model as Markdown: set anew at most once a frame while it grows, and at once when it is whole, so that no
// frame shows it empty.

import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { renderMarkdown, setMaths } from './markdown.ts';

export function Prose({ text, growing }: { text: string; growing: boolean }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const set = (): void => box.current?.replaceChildren(renderMarkdown(text));
    if (growing) {
      const frame = requestAnimationFrame(set);
      return () => cancelAnimationFrame(frame);
    }
    set();
    if (box.current) void setMaths(box.current);
    return undefined;
  }, [text, growing]);
  return <div class="prose" ref={box} />;
}
