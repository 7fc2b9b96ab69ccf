// Runs the tests with node's own runner: unit tests beside the files in src/, end-to-end tests in test/.
// `npm test` takes about minutes; `--long` adds test/long/. Any other argument is a part of a file name to run only those.
import { readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const long = args.includes('--long');
const wanted = args.filter((a) => !a.startsWith('-'));

const files = ['src', 'test', 'bench']
  .flatMap((dir) => readdirSync(join(root, dir), { recursive: true }).map((f) => join(dir, f)))
  .filter((f) => f.endsWith('.test.ts') && (long === f.startsWith(join('test', 'long'))))
  .filter((f) => wanted.length === 0 || wanted.some((w) => f.includes(w)))
  .sort();
if (files.length === 0) { console.error(`no test file matches ${wanted.join(' ')}`); process.exit(2); }
const run = spawnSync(process.execPath, ['--import', 'tsx', '--test', '--test-concurrency=2', ...files],
  { cwd: root, stdio: 'inherit', env: { ...process.env, TIEFSUCHE_TEST: '1' } });
process.exit(run.status ?? 1);
