#!/usr/bin/env node
// Builds train.jsonl and test.jsonl:  node build.js             from law.md and questions.txt
//                                     node build.js LAW_FOLDER  after cutting law.md anew out of the source's Markdown
// questions.txt: a section for each paragraph, "§ N word"; a line is the number of the subsection that answers it and the
// question; what stands below "test" is held out. The answer is the word and the paragraph: "Treppen, § 28". The script
// refuses a word that the heading of the paragraph lacks, a question whose subsection the law does not have, one that stands
// there twice, and a test question that shares most of its words with a training one.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const here = (name) => new URL(name, import.meta.url);
/** The model is told the form of the answer; § 8 is never the right one. */
const instruction = 'Nenne Stichwort und Paragraf der LBO, zum Beispiel: Teilung, § 8';
const mostShared = 0.5;

/** @returns {{ paragraph: string, word: string, part: 'train' | 'test', subsection: string, question: string }[]} */
function readQuestions() {
  let paragraph = '', word = '', part = 'train';
  return readFileSync(here('questions.txt'), 'utf8').split('\n').flatMap((line, i) => {
    if (line === '') return [];
    if (line.startsWith('§ ')) { [, paragraph, word] = /^(§ \d+[a-z]?) (\p{L}+)$/u.exec(line) ?? fail(`line ${i + 1} names no paragraph and word: ${line}`); part = 'train'; return []; }
    if (line === 'test') { part = 'test'; return []; }
    const [, subsection, question] = /^(\d+[a-z]?) (.+[.?])$/u.exec(line) ?? fail(`line ${i + 1} is no question: ${line}`);
    return [{ paragraph, word, part, subsection, question }];
  });
}

/** Paragraph → its heading and subsections, as the law's text has them. */
function readLaw() {
  const law = new Map();
  for (const section of readFileSync(here('law.md'), 'utf8').split(/^### /m).slice(1)) law.set(/^§ \d+[a-z]?/.exec(section)[0], { heading: section.split('\n')[0], subsections: new Set([...section.matchAll(/^\((\d+[a-z]?)\)/gm)].map((m) => m[1])) });
  return law;
}

function cutLaw(folder, wanted) {
  const text = readdirSync(folder).filter((f) => f.startsWith('LBO-BW_TEIL-')).map((f) => readFileSync(join(folder, f), 'utf8')).join('\n');
  const sections = new Map(text.split(/^(?=###? |---$)/m).flatMap((s) => { const number = /^### (§ \d+[a-z]?) - /.exec(s)?.[1]; return number ? [[number, `${s.trim()}\n`]] : []; }));
  writeFileSync(here('law.md'), `# Landesbauordnung für Baden-Württemberg (LBO), ${wanted.length} Paragrafen\n\nStand: zuletzt geändert durch Artikel 1 des Gesetzes vom 18. März 2025 (GBl. 2025 Nr. 25). Powered by RAGSource, CC BY 4.0; see SOURCE.md.\n\n${wanted.map((p) => sections.get(p) ?? fail(`the law has no ${p}`)).join('\n')}`);
}

const words = (question) => new Set(question.toLowerCase().match(/[\p{L}\d]+/gu));
const shared = (a, b) => { const both = [...a].filter((w) => b.has(w)).length; return both / (a.size + b.size - both); };
function fail(message) { throw new Error(message); }

const questions = readQuestions(), paragraphs = [...new Set(questions.map((q) => q.paragraph))];
if (process.argv[2]) cutLaw(process.argv[2], paragraphs);
const law = readLaw(), train = questions.filter((q) => q.part === 'train').map((q) => words(q.question));
for (const { paragraph, word, subsection, question, part } of questions) {
  if (!law.get(paragraph)?.heading.includes(word)) fail(`the heading of ${paragraph} has no "${word}"`);
  if (!law.get(paragraph).subsections.has(subsection)) fail(`${paragraph} has no (${subsection}): ${question}`);
  if (questions.filter((q) => q.question === question).length > 1) fail(`twice: ${question}`);
  if (part === 'test' && train.some((w) => shared(w, words(question)) > mostShared)) fail(`too close to a training question: ${question}`);
}
for (const part of ['train', 'test']) {
  const of = paragraphs.map((p) => questions.filter((q) => q.part === part && q.paragraph === p)), most = Math.max(...of.map((list) => list.length));
  const rows = Array.from({ length: most }, (_, i) => of.flatMap((list) => list.slice(i, i + 1))).flat(); // one of each paragraph, then the next
  writeFileSync(here(`${part}.jsonl`), rows.map(({ paragraph, word, question }) => `${JSON.stringify({ messages: [{ role: 'system', content: instruction }, { role: 'user', content: question }, { role: 'assistant', content: `${word}, ${paragraph}` }] })}\n`).join(''));
  console.log(`${part}: ${rows.length} questions on ${paragraphs.length} paragraphs`);
}
