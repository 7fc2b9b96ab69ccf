import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isTiefsucheError } from '../errors.ts';
import { llamaPackages } from './llama-packages.ts';

const { packages } = JSON.parse(readFileSync(new URL('../../engines/llama/package-lock.json', import.meta.url), 'utf8')) as { packages: Record<string, { version: string }> };

test('what llama.cpp needs by platform and card; that of Linux is in its lockfile, in one version', () => {
  for (const platform of ['linux', 'win32'] as const) for (const gpu of [null, 'cuda', 'vulkan'] as const) {
    const named = llamaPackages(gpu, { platform, arch: 'x64' });
    assert.equal(named.length, gpu === null ? 1 : gpu === 'cuda' ? 3 : 2);
    if (platform === 'linux') for (const name of named) assert.equal(packages[`node_modules/${name}`]!.version, packages['node_modules/node-llama-cpp']!.version, name);
  }
  assert.deepEqual(llamaPackages(null, { platform: 'darwin', arch: 'arm64' }), ['@node-llama-cpp/mac-arm64-metal']);
  for (const where of [{ platform: 'darwin', arch: 'arm64' }, { platform: 'linux', arch: 'arm64' }] as const) assert.throws(() => llamaPackages('cuda', where), (error) => isTiefsucheError(error) && error.code === 'UNSUPPORTED');
  assert.throws(() => llamaPackages(null, { platform: 'aix', arch: 'ppc64' }), /no llama.cpp binary/);
});
