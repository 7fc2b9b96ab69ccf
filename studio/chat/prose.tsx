// A text of the model as Markdown, set anew at most once a frame while it grows.

import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { renderMarkdown, setMaths } from './markdown.ts';

export function Prose({ text, growing }: { text: string; growing: boolean }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const frame = requestAnimationFrame(() => {
      box.current?.replaceChildren(renderMarkdown(text));
      if (box.current && !growing) void setMaths(box.current);
    });
    return () => cancelAnimationFrame(frame);
  }, [text, growing]);
  return <div class="prose" ref={box} />;
}
