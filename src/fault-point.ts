// Named moments at which a test may strike. TIEFSUCHE_TEST_FAULT="folder.rename:2" ends this process by SIGKILL the second
// time it passes the moment of that name: no handler runs, nothing is flushed, as when the power fails. Outside of tests
// the variable is not set, and a moment costs one comparison.

const armed = process.env['TIEFSUCHE_TEST_FAULT'];
const [name, count = '1'] = armed?.split(':') ?? [];
let left = Number(count);

/** Marks a moment: `folder.filled`, `folder.renamed`, `file.rename`, `snapshot.half`, `rollout.running`, `update.running`, `step.done`, `final.saved`. */
export function faultPoint(moment: string): void {
  if (armed === undefined || moment !== name || --left > 0) return;
  process.kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000); // the signal may take a moment to arrive
}
