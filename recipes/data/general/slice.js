// Cuts heldout.jsonl: node slice.js seed_tasks.jsonl. Every second task whose texts together have fewer than 500 characters.
import { readFileSync, writeFileSync } from 'node:fs';
const rows = readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const short = rows.map(({ instruction, instances: [{ input, output }] }) => ({ instruction, input, output }))
  .filter(({ instruction, input, output }) => [...instruction + input + output].length < 500 && output.trim() !== '');
writeFileSync(new URL('heldout.jsonl', import.meta.url), short.filter((_, i) => i % 2 === 0).map((row) => `${JSON.stringify(row)}\n`).join(''));
