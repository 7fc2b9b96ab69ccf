// Set-up from a bare clone: install packages, compile TypeScript, bundle the page, build the native addon; each only when needed, so a
// second call costs milliseconds. Plain JavaScript without dependencies: it runs before anything is installed.
//   --force   all of it anew     --clean   dist anew, without what sources left there that are gone: for `npm pack`
import { existsSync, readdirSync, readFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const force = process.argv.includes('--force');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`tiefsuche needs Node 20.19 or newer; this is ${process.version}. Get it from https://nodejs.org or your package manager.`);
  process.exit(1);
}

function hashOf(...paths) {
  const hash = createHash('sha256').update(process.version + process.platform + process.arch);
  for (const path of paths) {
    const full = join(root, path);
    const files = path.includes('.') ? [full] : readdirSync(full, { recursive: true }).map((f) => join(full, f)).sort();
    for (const file of files) {
      if (/\.(tsx?|js|json|h|cpp|css|html)$/.test(file) && !file.endsWith('.test.ts')) hash.update(file.slice(root.length)).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

/** Runs `work` unless the stamp says that the same inputs (and the same `machine`, where that matters) were already worked on. */
function step(name, inputs, product, work, machine = '') {
  const stamp = join(root, 'build', `${name}.stamp`);
  const hash = hashOf(...inputs) + machine;
  if (!force && existsSync(join(root, product)) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  const start = Date.now();
  process.stderr.write(`${name}: `);
  const detail = work();
  if (detail === false) return;
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(stamp, hash);
  process.stderr.write(`done in ${((Date.now() - start) / 1000).toFixed(1)} s\n`);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32', ...options });
  if (result.error) throw result.error;
  return result.status === 0;
}

step('install', ['package-lock.json'], 'node_modules', () => {
  process.stderr.write('npm packages …\n');
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'])) {
    console.error('npm could not install the packages (see above). Nothing else was changed; run the same command again when the registry is reachable.');
    process.exit(1);
  }
});
if (process.argv.includes('--clean')) rmSync(join(root, 'dist'), { recursive: true, force: true });
step('compile', ['src', 'tsconfig.json'], 'dist', () => {
  process.stderr.write('TypeScript …\n');
  if (!run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])) process.exit(1);
});
step('page', ['studio', 'package-lock.json'], 'dist/studio/index.html', () => {
  process.stderr.write('the studio\n');
  if (!run(process.execPath, ['studio/build.js'])) process.exit(1);
});
step('native', ['native', 'scripts/build-native.js'], 'build/tiefsuche.node', () => {
  process.stderr.write('native kernels …\n');
  // Without a compiler the reference backend remains; `tiefsuche start` explains what that means.
  return run(process.execPath, ['scripts/build-native.js']) ? undefined : false;
}, cpus()[0]?.model);
