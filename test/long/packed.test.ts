// What npm publishes, as a stranger installs it: this platform's kernels cross-compiled by `npm run prebuild`, the package
// packed, both put into an empty folder with a path on which there is neither compiler nor make. It trains and chats, and
// both builds of the kernels (zig's clang, and this machine's compiler) give the same bits. Needs pip and the npm registry.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { exactInstructionSets } from '../same-weights.ts';

const root = fileURLToPath(new URL('../..', import.meta.url)), place = mkdtempSync(join(tmpdir(), 'tiefsuche-packed-'));
after(() => rmSync(place, { recursive: true, force: true }));
const platform = `${process.platform}-${process.arch}`, folder = join(root, 'build', 'packages', '@tiefsuche', `native-${platform}`);
const empty = join(place, 'empty'), tools = join(place, 'tools');
for (const made of [empty, tools]) mkdirSync(made);
const which = (name: string): string => spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
const npm = realpathSync(which('npm')), { NODE_TEST_CONTEXT: _, ...env } = process.env;
for (const name of ['node', 'sh', 'git']) if (which(name)) symlinkSync(name === 'node' ? process.execPath : which(name), join(tools, name));

interface Ran { readonly status: number | null; readonly stdout: string; readonly stderr: string }
function run(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env, maxBuffer: 1 << 26, ...options });
  return { status, stdout, stderr };
}
/** The installed program, with no compiler in sight. */
const installed = (...args: string[]): Ran => run([join(empty, 'node_modules', 'tiefsuche', 'bin', 'tiefsuche.js'), ...args], { cwd: empty, env: { PATH: tools, HOME: place, TIEFSUCHE_HOME: join(place, 'installed'), NO_COLOR: '1' } });
const here = (...args: string[]): Ran => run(['--import', 'tsx', join(root, 'src', 'cli', 'main.ts'), ...args], { env: { ...env, TIEFSUCHE_HOME: join(place, 'here'), NO_COLOR: '1' } });

test('the kernels are cross-compiled for this platform, with the bits of those built here', { timeout: 1_800_000 }, () => {
  const made = run(['scripts/prebuild.js', platform]);
  assert.equal(made.status, 0, made.stderr + made.stdout);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { os: string[]; cpu: string[] };
  assert.deepEqual([manifest.os, manifest.cpu], [[process.platform], [process.arch]]);
  for (const isa of exactInstructionSets()) {
    const hashes = [undefined, join(folder, 'tiefsuche.node')].map((addon) => {
      const printed = run(['--import', 'tsx', 'src/engine/same-bits.test.ts'], { env: { ...env, TIEFSUCHE_PRINT_HASHES: '1', TIEFSUCHE_ISA: isa, ...(addon !== undefined && { TIEFSUCHE_ADDON: addon }) } });
      assert.equal(printed.status, 0, printed.stderr);
      return JSON.parse(printed.stdout) as Record<string, string>;
    });
    assert.ok(Object.keys(hashes[0]!).length > 200);
    assert.deepEqual(hashes[1], hashes[0], isa);
  }
});

test('npm installs both into an empty folder, without a compiler', { timeout: 600_000 }, () => {
  for (const from of [root, folder]) {
    const packed = run([npm, 'pack', '--ignore-scripts', '--silent', '--pack-destination', place, from]);
    assert.equal(packed.status, 0, packed.stderr);
  }
  const archives = readdirSync(place).filter((name) => name.endsWith('.tgz')).map((name) => join(place, name));
  assert.equal(archives.length, 2);
  assert.ok(archives.every((path) => statSync(path).size < 4e6), 'small enough to be read through');
  writeFileSync(join(empty, 'package.json'), '{"private": true}');
  const done = run([npm, 'install', '--no-audit', '--no-fund', '--prefer-offline', ...archives], { cwd: empty, env: { ...env, PATH: tools } });
  assert.equal(done.status, 0, done.stderr);
  const there = readdirSync(join(empty, 'node_modules', 'tiefsuche'), { recursive: true }).map(String);
  assert.ok(['dist/cli/main.js', 'dist/studio/index.html', 'recipes/tiny.yaml', 'native/addon.cpp', 'scripts/build-native.js', 'LICENSE'].every((file) => there.includes(file)));
  assert.deepEqual(there.filter((file) => /\.test\.|\.tsx?$|(^|\/)testing\/|^(src|bench|test|studio)\//.test(file)), []);
});

test('it runs: doctor, a short training with the weights of this checkout, chat', { timeout: 600_000 }, () => {
  const doctor = installed('doctor', '--json');
  const { addon, compiler } = JSON.parse(doctor.stdout) as { addon: { path: string }; compiler: unknown };
  assert.equal(compiler, null);
  assert.ok(addon.path.includes(join('@tiefsuche', `native-${platform}`)), addon.path);
  const weights = [installed, here].map((program, i) => {
    const trained = program('train', join(empty, 'node_modules', 'tiefsuche', 'recipes', 'tiny.yaml'), '--run', 'tiny', '--set', 'stages.0.steps=30', '--set', 'stages.1.steps=2', '--set', 'evaluation.n=10', '--json');
    assert.equal(trained.status, 0, trained.stderr);
    const file = join(place, ['installed', 'here'][i]!, 'runs', 'tiny', 'final', 'model.safetensors');
    assert.ok(existsSync(file));
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  });
  assert.equal(weights[0], weights[1]);
  const chat = installed('chat', 'tiny', '--prompt', 'Which day follows Monday?', '--temperature', '0', '--max-tokens', '8', '--json');
  assert.equal(chat.status, 0, chat.stderr);
  assert.ok((JSON.parse(chat.stdout) as { token_ids: number[] }).token_ids.length > 0);
});

test('kernels of another version are not used, and it is said', () => {
  const manifest = join(empty, 'node_modules', '@tiefsuche', `native-${platform}`, 'package.json'), text = readFileSync(manifest, 'utf8');
  writeFileSync(manifest, text.replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
  const { stdout, stderr } = installed('doctor', '--json');
  assert.equal((JSON.parse(stdout) as { addon: unknown }).addon, null);
  assert.match(stderr, /is of version 0\.0\.1, this is .*its kernels are not used/);
});
