// Every instruction set this machine has, with one thread and with two: all ops against the reference and all golden
// numbers. (That the exact ones agree bit for bit is src/engine/same-bits.test.ts; baseline has its tolerance only.)

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeBuilt } from '../src/engine/backends/cpu/cpu.ts';

const suites = ['engine/ops', 'engine/ops/attention', 'engine/ops/moe-route', 'engine/optimizers', 'engine/cross-entropy', 'training/grpo']
  .map((name) => new URL(`../src/${name}.test.ts`, import.meta.url).href);

test('the native kernels are built', () => assert.ok(nativeBuilt(), 'run `npm run build:native`; it needs a C++ compiler'));
const isas = nativeBuilt() ? (createRequire(import.meta.url)('../build/tiefsuche.node') as { info(): { isas: string[] } }).info().isas : [];

for (const isa of isas) for (const threads of [1, 2]) {
  test(`${isa} with ${threads} ${threads === 1 ? 'thread' : 'threads'}`, () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawnSync(process.execPath, ['--import', 'tsx', '--test-reporter=tap', `--test-name-pattern=${isa} agrees|on ${isa}|^cpu:`, '--input-type=module', '--eval', suites.map((s) => `import '${s}';`).join('\n')],
      { cwd: fileURLToPath(new URL('..', import.meta.url)), encoding: 'utf8', env: { ...env, TIEFSUCHE_ISA: isa, TIEFSUCHE_THREADS: String(threads) } });
    assert.equal(child.status, 0, child.stdout.split('\n').filter((line) => /^ *(not ok|error:)/.test(line)).join('\n') || child.stderr);
    const passed = [...child.stdout.matchAll(new RegExp(`^ *ok .*${isa}(?!.*# SKIP)`, 'gm'))].length;
    assert.ok(passed > 150, `only ${passed} tests ran on ${isa}`);
  });
}
