// Runs the tests with node's own runner: unit tests beside the files in src/, end-to-end tests in test/.
// `--long` runs test/long/ instead; any other argument is a part of a file name, to run only those files.
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const long = args.includes('--long');
const wanted = args.filter((a) => !a.startsWith('-'));

const files = ['src', 'test', 'bench']
  .flatMap((dir) => readdirSync(join(root, dir), { recursive: true }).map((f) => join(dir, String(f))))
  .filter((f) => f.endsWith('.test.ts') && long === f.startsWith(join('test', 'long')))
  .filter((f) => wanted.length === 0 || wanted.some((w) => f.includes(w)))
  .sort();
if (files.length === 0) { console.error(`no test file matches ${wanted.join(' ')}`); process.exit(2); }

const tap = join(root, 'build', `test-${process.pid}.tap`);
mkdirSync(dirname(tap), { recursive: true });
const start = Date.now();
const run = spawnSync(process.execPath, [
  '--import', 'tsx', '--test', '--test-concurrency=2', '--test-reporter=spec', '--test-reporter-destination=stdout', '--test-reporter=tap', `--test-reporter-destination=${tap}`, ...files,
], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
const totals = readFileSync(tap, 'utf8');
const count = (what) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(totals)?.[1] ?? 0);
rmSync(tap);
const failed = count('fail') + count('cancelled'), skipped = count('skipped') + count('todo');
console.log(`in ${((Date.now() - start) / 1000).toFixed(0)} s`);
console.log(`${count('pass')} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(run.status ?? 1);
