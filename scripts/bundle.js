#!/usr/bin/env node
// `npm run bundle`: one archive for a house without a network. It holds the built code, the packages it needs at run time,
// the kernels for every processor of this platform, recipes and documents, and models if asked for. install.sh in it needs
// neither registry nor compiler, only Node (or the copy of it that --with-node puts in).
//   --model=NAME|PATH   a run, folder or file to put in, again and again     --out=FILE   where the archive goes
//   --with-node         this Node too                                        --this-machine   only its kernels (quicker)
import { chmodSync, cpSync, createReadStream, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const given = (name) => process.argv.slice(2).filter((a) => a.startsWith(`--${name}=`)).map((a) => a.slice(name.length + 3));
const flag = (name) => process.argv.includes(`--${name}`);
const unknown = process.argv.slice(2).find((a) => !/^--(model|out)=|^--(with-node|this-machine)$/.test(a));

function stop(what, todo) {
  console.error(`bundle: ${what}\n  ${todo}`);
  process.exit(1);
}
if (unknown) stop(`${unknown} is no option of bundle.`, 'There are --model=NAME, --out=FILE, --with-node and --this-machine.');

/** The folders of node_modules that are installed here and that the program needs when it runs, by the lockfile. */
function runtimePackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages).filter(([path, p]) => path && !p.dev && existsSync(join(root, path))).map(([path]) => path);
}

/** Where a model lies: a path, or the name of something in TIEFSUCHE_HOME. */
function modelPath(name) {
  const home = process.env.TIEFSUCHE_HOME || join(homedir(), '.tiefsuche');
  const found = [resolve(name), join(home, 'models', name), join(home, 'runs', name, 'final')].find((path) => existsSync(path));
  return found ?? stop(`there is no model ${name}.`, 'Give a path, or a name that `tiefsuche models` lists.');
}

async function hashOf(path) {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part);
  return hash.digest('hex');
}

function run(command, args, purpose) {
  const result = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], cwd: root });
  if (result.error || result.status !== 0) stop(`${purpose} failed.`, result.error ? String(result.error.message) : 'See above.');
}

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = `tiefsuche-${version}-${process.platform}-${process.arch}`;
const out = resolve(given('out')[0] ?? join(root, 'build', `${name}.tar.gz`));
const models = given('model').map((m) => ({ name: basename(m), path: modelPath(m) }));
if (!existsSync(join(root, 'dist', 'cli', 'main.js'))) stop('the code is not built.', 'Run `node scripts/setup.js` first.');

const work = mkdtempSync(join(tmpdir(), 'tiefsuche-bundle-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const folder = join(work, name);
mkdirSync(join(folder, 'build'), { recursive: true });

run(process.execPath, ['scripts/build-native.js', ...(flag('this-machine') ? [] : ['--all']), `--out=${join(folder, 'build', 'tiefsuche.node')}`], 'building the kernels');
const { files, scripts: _, devDependencies: __, ...manifest } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
for (const entry of new Set([...files, 'docs', 'LICENSE', 'README.md'])) {
  if (entry !== 'native' && !entry.startsWith('scripts') && existsSync(join(root, entry))) cpSync(join(root, entry), join(folder, entry), { recursive: true });
}
for (const path of runtimePackages()) cpSync(join(root, path), join(folder, path), { recursive: true, dereference: true, filter: (from) => !relative(join(root, path), from).includes('node_modules') });
for (const model of models) cpSync(model.path, join(folder, 'models', model.name), { recursive: true });
if (flag('with-node')) cpSync(process.execPath, join(folder, 'node'), { dereference: true });
cpSync(join(root, 'scripts', 'bundle-install.sh'), join(folder, 'install.sh'));
chmodSync(join(folder, 'install.sh'), 0o755);

const inside = readdirSync(folder, { recursive: true }).map(String).filter((path) => statSync(join(folder, path)).isFile()).sort();
const sums = [];
for (const path of inside) sums.push(`${await hashOf(join(folder, path))}  ${path}\n`);
writeFileSync(join(folder, 'SHA256SUMS'), sums.join(''));

mkdirSync(dirname(out), { recursive: true });
const unfinished = `${out}.${process.pid}.tmp`;
process.on('exit', () => rmSync(unfinished, { force: true }));
run('tar', ['-czf', unfinished, '-C', work, name], 'packing');
renameSync(unfinished, out);
console.log(`${out}  ${(statSync(out).size / 2 ** 20).toFixed(1)} MiB, ${inside.length} files\nsha256 ${await hashOf(out)}`);
console.log(`On the other machine: tar -xzf ${basename(out)} && ${name}/install.sh`);
