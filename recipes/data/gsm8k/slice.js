#!/usr/bin/env node
// Cuts train.jsonl and heldout.jsonl out of GSM8K's training file:  node slice.js PATH/TO/train.jsonl
// Rows in their order: the first 2,400 to train on, the next 200 held out. The calculator marks (<<48/2=24>>) are taken
// out, because no calculator stands behind the model. GSM8K's own test file is not touched.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const rows = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line))
  .map(({ question, answer }) => JSON.stringify({ question, answer: answer.replace(/<<[^>]*>>/g, '') }));
writeFileSync(join(folder, 'train.jsonl'), `${rows.slice(0, 2400).join('\n')}\n`);
writeFileSync(join(folder, 'heldout.jsonl'), `${rows.slice(2400, 2600).join('\n')}\n`);
