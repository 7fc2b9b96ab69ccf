// What a model answered before it was specialised and after, side by side, as a document: comparison.md in the run's folder.

import type { RunSample } from '../runs/run-samples.ts';

const quoted = (text: string): string => (text === '' ? '*(nothing)*' : text.split('\n').map((line) => `> ${line}`).join('\n'));

/**
 * The shown answers of the first and the last evaluation, as Markdown; null where one of them is not there.
 * @param judged whether right and wrong mean something: answers too long to compare are left to the reader
 */
export function comparisonOf(name: string, model: string, samples: readonly RunSample[], judged: boolean): string | null {
  const before = samples.find((s) => s.label === 'before'), after = samples.findLast((s) => s.label === 'after');
  if (!before || !after || after.shown.length === 0) return null;
  const mark = (right: boolean): string => (judged ? (right ? ', right' : ', wrong') : ''), share = ({ shown }: RunSample): string => `${shown.filter((a) => a.right).length} of ${shown.length}`;
  const sections = after.shown.map((now, i) => {
    const then = before.shown[i]!, thought = (thinking: string): string => (thinking === '' ? '' : `<details><summary>thinking</summary>\n\n${quoted(thinking)}\n\n</details>\n\n`);
    return [`## ${i + 1}`, quoted(now.prompt), '**expected**', quoted(now.expected), `**${model}**${mark(then.right)}`, thought(then.thinking) + quoted(then.content), `**${name}**${mark(now.right)}`, thought(now.thinking) + quoted(now.content)].join('\n\n');
  });
  const told = judged ? `Of these, ${model} answered ${share(before)} right, ${name} ${share(after)}.` : 'The answers are too long to compare letter by letter: read them side by side.';
  return [`# ${name} beside ${model}`, `${after.shown.length} rows of the test, answered by both models, the most likely token each time. Generated text; it may be wrong. ${told}`, ...sections, ''].join('\n\n');
}
