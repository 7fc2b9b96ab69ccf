// `npm run bundle` as a house without a network uses it: the archive is unpacked and installed in a network namespace without
// routes, with a PATH that holds neither npm nor a compiler, and the installed program answers with the model that came along.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url)), place = mkdtempSync(join(tmpdir(), 'tiefsuche-bundle-test-'));
after(() => rmSync(place, { recursive: true, force: true }));
const archive = join(place, 'bundle.tar.gz'), home = join(place, 'home'), tools = join(place, 'tools');
const name = `tiefsuche-0.1.0-${process.platform}-${process.arch}`;

mkdirSync(tools);
mkdirSync(home);
const unshare = spawnSync('sh', ['-c', 'command -v unshare'], { encoding: 'utf8' }).stdout.trim();
for (const tool of ['sh', 'sha256sum', 'dirname', 'mkdir', 'rm', 'cp', 'mv', 'chmod', 'cat', 'tar', 'gzip', 'ip']) {
  const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim();
  if (found) symlinkSync(found, join(tools, tool));
}
symlinkSync(process.execPath, join(tools, 'node'));

/** A shell line in a namespace without routes, with these tools alone. */
function offline(line: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(unshare, ['-rn', join(tools, 'sh'), '-c', line], { cwd: place, encoding: 'utf8', env: { HOME: home, PATH: tools } });
}

test('a bundle is made, with a model in it', () => {
  const made = spawnSync(process.execPath, ['scripts/bundle.js', '--this-machine', '--model=test/data/tiny-rl-arithmetic-sequence', `--out=${archive}`], { cwd: root, encoding: 'utf8' });
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /MiB, \d+ files\nsha256 [0-9a-f]{64}\n/);
  const unknown = spawnSync(process.execPath, ['scripts/bundle.js', '--modl=x'], { cwd: root, encoding: 'utf8' });
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /--modl=x is no option/);
});

test('it installs without registry, compiler and network, twice, and answers', { skip: process.platform !== 'linux' && 'network namespaces are Linux' }, () => {
  const reach = offline(`node -e "fetch('http://1.1.1.1').then(() => process.exit(1), () => process.exit(0))"`);
  assert.equal(reach.status, 0, `the namespace has a network, or there is none to be had here: ${reach.stderr}`);
  for (const turn of ['first', 'second']) {
    const done = offline(`tar -xzf bundle.tar.gz && ${name}/install.sh`);
    assert.equal(done.status, 0, `${turn}: ${done.stderr}`);
    assert.match(done.stdout, turn === 'first' ? /installed: / : /kept the model that is there: /);
  }
  const doctor = offline('"$HOME/.local/bin/tiefsuche" doctor');
  assert.match(doctor.stdout, /✓ native kernels/, doctor.stderr);
  const chat = offline('"$HOME/.local/bin/tiefsuche" chat tiny-rl-arithmetic-sequence --prompt "1, 2, 3," --temperature 0 --max-tokens 4 --json');
  assert.equal(chat.status, 0, chat.stderr);
  const here = spawnSync(process.execPath, ['bin/tiefsuche.js', 'chat', 'test/data/tiny-rl-arithmetic-sequence', '--prompt', '1, 2, 3,', '--temperature', '0', '--max-tokens', '4', '--json'], { cwd: root, encoding: 'utf8' });
  assert.deepEqual((JSON.parse(chat.stdout) as { token_ids: number[]; logprobs: number[] }).logprobs, (JSON.parse(here.stdout) as { logprobs: number[] }).logprobs);
});

test('a damaged bundle is refused before anything is replaced', { skip: process.platform !== 'linux' && 'network namespaces are Linux' }, () => {
  writeFileSync(join(place, name, 'dist', 'cli', 'main.js'), 'console.log("another program")');
  const done = offline(`${name}/install.sh`);
  assert.equal(done.status, 1);
  assert.match(done.stderr, /dist\/cli\/main\.js[\s\S]*the bundle is damaged/);
  assert.equal(offline('"$HOME/.local/bin/tiefsuche" --version').status, 0);
});
