// Builds build/tiefsuche.node: every kernel family (native/kernels/*.cpp) once per instruction set that this machine runs,
// the other files of native/ once, in parallel over the cores. Objects are cached in build/obj by the hash of what went
// into them. Plain JavaScript without dependencies.
//   --only=linear,norm   these families alone       --out=path   another target       --bench   the bench programs too
//   --all   for machines other than this one too: every instruction set, not only those that this processor runs
//   --target=linux-arm64   for that platform, stripped and with all its instruction sets; CXX names a compiler that makes it
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const native = join(root, 'native');
const objects = join(root, 'build', 'obj');
const option = (name) => process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3);
const foreign = option('target') !== undefined;
const [platform, arch] = foreign ? option('target').split('-') : [process.platform, process.arch];

// What the processor must have for an instruction set, in the compiler's words (machine.h asks the same when the addon loads).
const NEEDS = { avx512: ['AVX512F', 'AVX512DQ', 'AVX512BW', 'AVX512VL', 'AVX2', 'FMA', 'BMI2'], avx2: ['AVX2', 'FMA', 'BMI2'] };

// Best first: the addon takes the first one that the machine runs. Linking baseline objects first makes the linker keep
// the baseline's copy of any inline function that several of them share.
const ISAS = {
  x64: {
    avx512: ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mavx2', '-mfma', '-mf16c', '-mbmi', '-mbmi2', '-mlzcnt', '-mpopcnt', '-mprefer-vector-width=512'],
    avx2: ['-mavx2', '-mfma', '-mf16c', '-mbmi', '-mbmi2', '-mlzcnt', '-mpopcnt'],
    baseline: [],
  },
  arm64: { neon: [] },
}[arch] ?? { baseline: [] };

// Without -ffp-contract=off a compiler fuses products and sums as it likes, and results would depend on it.
const FLAGS = ['-std=c++17', '-O3', ...(platform === 'win32' ? [] : ['-fPIC']), '-pthread', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math', '-fvisibility=hidden',
  '-Wall', '-Wextra', '-Wno-psabi', '-Wno-uninitialized', '-Wno-maybe-uninitialized', '-Wno-ignored-attributes', '-Wno-unknown-pragmas', '-DNAPI_VERSION=8'];

// clang alone needs to be told that gcc has warnings of its own. Nothing of it is in the objects, so nothing of it is in their hash.
const QUIET = ['-Wno-unknown-warning-option'];

function findCompiler() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++']) {
    if (!name) continue;
    const [command, ...args] = name.split(' ').filter(Boolean);
    const result = spawnSync(command, [...args, '--version'], { encoding: 'utf8' });
    if (!result.error && result.status === 0) return { command, args, version: result.stdout.split('\n')[0] };
  }
  console.error('No C++ compiler found (CXX, c++, g++, clang++). To install one:');
  console.error('  Debian, Ubuntu: sudo apt install g++');
  console.error('  Fedora:         sudo dnf install gcc-c++');
  console.error('  macOS:          xcode-select --install');
  console.error('  Windows:        winget install MSYS2.MSYS2, then in its UCRT64 shell: pacman -S mingw-w64-ucrt-x86_64-gcc');
  process.exit(1);
}

/** The instruction sets to build, the plainest first: what this processor runs, and all of them where the compiler cannot tell. */
function instructionSets(compiler) {
  const all = Object.keys(ISAS).reverse();
  if (foreign || process.argv.includes('--all')) return all;
  const asked = spawnSync(compiler.command, [...compiler.args, '-march=native', '-dM', '-E', '-x', 'c++', '-'], { encoding: 'utf8', input: '' });
  if (asked.error || asked.status !== 0) return all;
  return all.filter((isa) => (NEEDS[isa] ?? []).every((feature) => asked.stdout.includes(`__${feature}__`)));
}

/** The file's text and that of every native header it includes. */
function closure(path, seen = new Map()) {
  if (seen.has(path) || !existsSync(path)) return seen;
  const text = readFileSync(path, 'utf8');
  seen.set(path, text);
  for (const [, include] of text.matchAll(/^\s*#include "([^"]+)"/gm)) {
    closure(join(dirname(path), include), seen);
    closure(join(native, include), seen);
  }
  return seen;
}

const compiler = findCompiler();
const isas = instructionSets(compiler);
const { include_dir: headers, def_paths: exported } = nodeApi();

/** Where the headers lie, and the list of what node itself exports. */
function nodeApi() {
  try {
    return createRequire(import.meta.url)('node-api-headers');
  } catch {
    console.error('The package node-api-headers is missing: run `npm ci` first.');
    process.exit(1);
  }
}

/** What an addon for Windows is linked against: an import library made from that list. */
function importLibrary() {
  const library = join(objects, 'node.lib'), [dlltool, ...first] = (process.env.DLLTOOL || 'dlltool').split(' ').filter(Boolean);
  const made = spawnSync(dlltool, [...first, '-m', 'i386:x86-64', '-d', exported.node_api_def, '-D', 'node.exe', '-l', library], { stdio: 'inherit' });
  if (made.error || made.status !== 0) {
    console.error(`${dlltool} could not make the import library of node.exe${made.error ? ` (${made.error.message})` : ''}; it comes with mingw-w64's binutils, or name another with DLLTOOL.`);
    process.exit(1);
  }
  return library;
}

function compileJob(path, isa) {
  const stem = basename(path, '.cpp');
  // -iquote: with -I, native/math.h would hide the C library's <math.h>.
  const flags = [...FLAGS, '-iquote', native, `-I${headers}`, ...(isa ? [...ISAS[isa], `-DISA=${isa}`] : [])];
  const hash = createHash('sha256').update(JSON.stringify([compiler, flags]).replaceAll(root, ''));
  for (const text of closure(path).values()) hash.update(text);
  const object = join(objects, `${stem}${isa ? `.${isa}` : ''}.${hash.digest('hex').slice(0, 16)}.o`);
  return { what: `${stem}${isa ? ` (${isa})` : ''}`, product: object, isa, args: [...flags, ...QUIET, '-c', path] };
}

function linkJob(product, inputs, flags) {
  return { what: basename(product), product, args: [...inputs, ...flags, '-pthread'] };
}

/** Runs the compiler; the product appears under its name only when complete. */
function execute(job) {
  const temporary = `${job.product}.${process.pid}.tmp`;
  return new Promise((resolve) => {
    const child = spawn(compiler.command, [...compiler.args, ...job.args, '-o', temporary], { stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', (error) => { console.error(String(error)); resolve(false); });
    child.on('close', (status) => {
      if (status === 0) renameSync(temporary, job.product);
      else rmSync(temporary, { force: true });
      resolve(status === 0);
    });
  });
}

async function executeAll(jobs) {
  const queue = [...jobs];
  const failed = [];
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) if (!(await execute(job))) failed.push(job.what);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (failed.length > 0) {
    console.error(`These files did not compile: ${failed.join(', ')}.`);
    process.exit(1);
  }
}

/** The tables declared in native/families.h. */
function writeTables(families) {
  const bestFirst = [...isas].reverse();
  const lines = ['// Written by scripts/build-native.js.', '#include "families.h"', ''];
  for (const isa of bestFirst) lines.push(`namespace ts::${isa} { extern const Entry ${families.map((f) => `${f}_kernels[]`).join(', ')}; }`);
  lines.push('', 'namespace ts {');
  for (const isa of bestFirst) lines.push(`static const Entry* const ${isa}_families[] = {${families.map((f) => `${isa}::${f}_kernels, `).join('')}nullptr};`);
  lines.push(`extern const InstructionSet instructionSets[] = {${bestFirst.map((isa) => `{"${isa}", ${isa}_families}, `).join('')}{nullptr, nullptr}};`, '}', '');
  const path = join(objects, 'families.cpp');
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** All that is seen from outside: a C++ library that is linked in must not answer for another one. */
function writeExports() {
  const path = join(objects, 'exports.map');
  writeFileSync(path, '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n');
  return path;
}

/** Objects nobody has used for a day go. */
function prune() {
  for (const name of readdirSync(objects)) {
    const path = join(objects, name);
    if (statSync(path, { throwIfNoEntry: false })?.mtimeMs < Date.now() - 86_400_000) rmSync(path, { force: true });
  }
}

mkdirSync(objects, { recursive: true });
prune();
const only = option('only')?.split(',');
const families = readdirSync(join(native, 'kernels')).filter((f) => f.endsWith('.cpp')).map((f) => basename(f, '.cpp')).sort()
  .filter((f) => !only || only.includes(f));
const single = readdirSync(native).filter((f) => f.endsWith('.cpp') && !f.startsWith('bench-')).sort().map((f) => compileJob(join(native, f)));
const kernels = isas.flatMap((isa) => families.map((f) => compileJob(join(native, 'kernels', `${f}.cpp`), isa)));
const jobs = [...single, compileJob(writeTables(families)), ...kernels];
const benches = process.argv.includes('--bench')
  ? readdirSync(native).filter((f) => /^bench-.*\.cpp$/.test(f)).flatMap((f) => isas.map((isa) => ({ name: `${basename(f, '.cpp')}-${isa}`, isa, job: compileJob(join(native, f), isa) })))
  : [];

const stale = [...new Map([...jobs, ...benches.map((b) => b.job)].map((j) => [j.product, j])).values()].filter((job) => {
  if (!existsSync(job.product)) return true;
  utimesSync(job.product, new Date(), new Date());
  return false;
});
await executeAll(stale);

const shared = platform === 'darwin' ? [foreign ? '-shared' : '-bundle', '-undefined', 'dynamic_lookup'] : platform === 'win32' ? ['-shared', importLibrary(), ...(foreign ? [] : ['-static'])] : ['-shared'];
if (foreign) shared.push('-s', ...(platform === 'linux' ? [`-Wl,--version-script=${writeExports()}`] : []));
const addon = option('out') ?? join(root, 'build', 'tiefsuche.node');
const pool = single.find((j) => j.what === 'pool').product;
await executeAll([linkJob(addon, jobs.map((j) => j.product), shared), ...benches.map((b) => linkJob(join(root, 'build', b.name), [b.job.product, pool, ...kernels.filter((k) => k.isa === b.isa).map((k) => k.product)], []))]);
console.error(`${basename(addon)}: ${families.length} kernel families × ${isas.length} instruction sets, ${stale.length} files compiled (${compiler.version})`);
