// A table of figures under its title; where it is wider than the screen it moves within its frame, by keyboard too.

import type { ComponentChildren, JSX } from 'preact';

interface TableProps { readonly title: string; readonly hint?: string; readonly columns: readonly string[]; /** How many columns of text stand before those of numbers. */ readonly words: number; readonly children: ComponentChildren }

export function Table({ title, hint = '', columns, words, children }: TableProps): JSX.Element {
  return (
    <section class="figures-of">
      <h2>{title} {hint !== '' && <small>{hint}</small>}</h2>
      <div class="wide" tabIndex={0} role="region" aria-label={title}>
        <table><thead><tr>{columns.map((c, i) => (c === '' ? <td key={i} /> : <th key={c} scope="col" class={i < words ? '' : 'amount'}>{c}</th>))}</tr></thead>{children}</table>
      </div>
    </section>
  );
}
