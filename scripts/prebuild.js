#!/usr/bin/env node
// `npm run prebuild`: the addon as npm packages, one a platform, cross-compiled on this machine by zig (clang with the C
// libraries of every system, from PyPI), in build/packages/@tiefsuche/native-PLATFORM-ARCH, each ready for `npm publish`.
//   npm run prebuild -- linux-arm64 darwin-arm64     these alone
// zig comes into build/zig by pip; ZIG="…" names another. What was not loaded and run here is said at the end.
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..'), build = join(root, 'build');
const zigVersion = '0.17.1';

// The oldest system that Node 20's own binaries run on: glibc 2.28 (Debian 10, RHEL 8), macOS 11, Windows 10.
const TARGETS = {
  'linux-x64': { zig: 'x86_64-linux-gnu.2.28', libc: 'glibc', system: 'Linux with glibc 2.28 or newer' },
  'linux-arm64': { zig: 'aarch64-linux-gnu.2.28', libc: 'glibc', system: 'Linux with glibc 2.28 or newer' },
  'darwin-x64': { zig: 'x86_64-macos.11.0', system: 'macOS 11 or newer' },
  'darwin-arm64': { zig: 'aarch64-macos.11.0', system: 'macOS 11 or newer' },
  'win32-x64': { zig: 'x86_64-windows-gnu', system: 'Windows 10 or newer' },
};

function stop(what, todo) {
  console.error(`prebuild: ${what}\n  ${todo}`);
  process.exit(1);
}

function run(command, args, env = {}, cwd = root) {
  return spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...env } });
}

/** The command that starts zig. */
function findZig() {
  if (process.env.ZIG) return process.env.ZIG;
  const place = join(build, 'zig'), python = join(place, ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']));
  const answers = () => spawnSync(python, ['-m', 'ziglang', 'version'], { encoding: 'utf8' }).stdout?.trim() === zigVersion;
  if (answers()) return `${python} -m ziglang`;
  console.error(`prebuild: zig ${zigVersion} comes into ${place} (90 MB) …`);
  rmSync(place, { recursive: true, force: true });
  const outer = process.env.PYTHON || (process.platform === 'win32' ? 'python' : 'python3');
  if (run(outer, ['-m', 'venv', place]).status !== 0) stop(`${outer} could not make an environment.`, 'Install Python 3 with venv and pip, or name a zig with ZIG.');
  run(python, ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', `ziglang==${zigVersion}`]);
  return answers() ? `${python} -m ziglang` : stop('pip could not install zig.', 'Check the network or pip\'s index settings, or name a zig with ZIG.');
}

const [major] = process.versions.node.split('.').map(Number);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

function writePackage(target, { libc, system }, folder) {
  const [os, cpu] = target.split('-'), name = `@tiefsuche/native-${target}`;
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify({
    name, version: manifest.version, description: `Native kernels of tiefsuche for ${system}, ${cpu}`, license: manifest.license, ...(manifest.repository && { repository: manifest.repository }),
    main: 'tiefsuche.node', files: ['tiefsuche.node'], os: [os], cpu: [cpu], ...(libc && { libc: [libc] }), engines: manifest.engines, preferUnplugged: true, publishConfig: { access: 'public' },
  }, null, 2)}\n`);
  writeFileSync(join(folder, 'README.md'), `# ${name}

The native kernels of [tiefsuche](https://www.npmjs.com/package/tiefsuche) for ${system} on ${cpu}, built from the sources in that package's \`native/\` by \`npm run prebuild\` (zig ${zigVersion}'s clang, \`-O3 -ffp-contract=off\`) with every instruction set that they know there. Installed as an optional dependency of the same version; nothing to call by hand. Node-API 8.

Linked in: LLVM's libc++, libunwind and compiler-rt as zig ships them (Apache-2.0 WITH LLVM-exception)${os === 'win32' ? ' and the runtime of mingw-w64 (public domain, ZPL-2.1)' : ''}.
`);
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
}

/** What the addon says of itself where this machine can load it. */
function loaded(target, path) {
  if (target !== `${process.platform}-${process.arch}`) return `built, not run: this machine is ${process.platform}-${process.arch}`;
  const program = 'const a = require(process.argv[1]); console.log(`loads in Node ${process.version}: ${a.kernels().length} kernels, ${a.info().isas.join(", ")}`)';
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', program, path], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : `DOES NOT LOAD: ${stderr.trim().split('\n').at(-1)}`;
}

const wanted = process.argv.slice(2), unknown = wanted.find((name) => !TARGETS[name]);
if (unknown) stop(`"${unknown}" is no platform that is built.`, `There are ${Object.keys(TARGETS).join(', ')}.`);
if (major < 20 || !existsSync(join(root, 'node_modules', 'node-api-headers'))) stop('the packages are not installed.', 'Run `npm ci` first, with Node 20.19 or newer.');
const zig = findZig(), said = [];
let failures = 0;
for (const target of wanted.length > 0 ? wanted : Object.keys(TARGETS)) {
  const folder = join(build, 'packages', '@tiefsuche', `native-${target}`), addon = join(folder, 'tiefsuche.node');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { status } = run(process.execPath, [join(root, 'scripts', 'build-native.js'), `--target=${target}`, `--out=${addon}`],
    { CXX: `${zig} c++ -target ${TARGETS[target].zig}`, DLLTOOL: `${zig} dlltool`, ZIG_GLOBAL_CACHE_DIR: join(build, 'zig-cache'), ZIG_LOCAL_CACHE_DIR: join(build, 'zig-cache') }, folder); // its linker leaves files where it is started
  if (status !== 0) { rmSync(folder, { recursive: true, force: true }); said.push(`${target}: did not build, see above`); failures++; continue; }
  for (const name of readdirSync(folder)) if (name !== 'tiefsuche.node') rmSync(join(folder, name)); // what a linker leaves beside it
  writePackage(target, TARGETS[target], folder);
  const verdict = loaded(target, addon);
  if (verdict.startsWith('DOES NOT')) failures++;
  said.push(`${target}: ${(statSync(addon).size / 2 ** 20).toFixed(1)} MiB, ${verdict}`);
}
console.log(`${said.join('\n')}\n\nThey lie in ${join(build, 'packages', '@tiefsuche')}. How to publish them: docs/publishing.md`);
process.exit(failures > 0 ? 1 : 0);
