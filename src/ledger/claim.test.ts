import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listClaims, takeClaim } from './claim.ts';
import { liveness, thisProcess } from './process-identity.ts';
import { temporaryHome } from './testing/sample-run.ts';

test('a process is known by pid, start time and boot', () => {
  const self = thisProcess();
  assert.equal(liveness(self), 'alive');
  assert.equal(liveness({ ...self, started: '1' }), 'dead');
  assert.equal(liveness({ ...self, boot: 'another' }), 'dead');
  assert.equal(liveness({ ...self, host: 'another', boot: 'another' }), 'elsewhere');
  const gone = spawnSync(process.execPath, ['-e', 'console.log(process.pid)'], { encoding: 'utf8' });
  assert.equal(liveness({ ...self, pid: Number(gone.stdout) }), 'dead');
  assert.equal(liveness({ ...self, pid: process.ppid }), 'dead', 'a reused pid is not the same process');
});

test('one holder at a time; ended and dead claims are outnumbered, not removed', () => {
  const folder = temporaryHome();
  const first = takeClaim(folder, 'c');
  assert.ok(!('heldBy' in first));
  const refused = takeClaim(folder, 'c');
  assert.ok('heldBy' in refused && refused.heldBy.number === 1);
  first.end({ outcome: 'completed' });
  const second = takeClaim(folder, 'c', {}, 7);
  assert.ok(!('heldBy' in second) && second.number === 7);
  writeFileSync(second.path, JSON.stringify({ process: { ...thisProcess(), boot: 'before' }, since: 'x' }));
  const third = takeClaim(folder, 'c');
  assert.ok(!('heldBy' in third) && third.number === 8);
  assert.deepEqual(listClaims(folder, 'c').map((c) => [c.number, c.state]), [[1, 'ended'], [7, 'dead'], [8, 'alive']]);
});

test('a claim whose writer died before filling it is dead', () => {
  const folder = temporaryHome();
  writeFileSync(join(folder, 'c1.json'), '');
  const claim = takeClaim(folder, 'c');
  assert.ok(!('heldBy' in claim) && claim.number === 2);
});
