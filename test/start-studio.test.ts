// `tiefsuche start --studio`: the server and the page at once, the model that learns beside it in a process of its own. A
// killed server does not harm the run; one that is told to end lets it save, or not begin; the next start goes on, on the next free port.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { listRuns } from '../src/runs/run-folder.ts';
import { styleFor } from '../src/cli/terminal.ts';
import { startingProcess } from '../src/runs/run-start.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url)), home = temporaryHome();

/** Whatever a failed test leaves behind would keep this file from ending. */
const children = new Set<ChildProcess>();
after(() => { for (const child of children) child.kill('SIGKILL'); });

interface Started { readonly child: ChildProcess; readonly url: string; readonly said: () => string }

async function start(port: number, TIEFSUCHE_HOME = home, before: (home: string) => void = () => {}): Promise<Started> {
  before(TIEFSUCHE_HOME);
  const child = spawn(process.execPath, ['--import', 'tsx', main, 'start', '--studio', '--tiny', '--json', '--port', String(port)], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TIEFSUCHE_HOME } });
  children.add(child);
  child.once('exit', () => children.delete(child));
  let said = '';
  child.stderr!.on('data', (d) => { said += String(d); });
  for await (const line of createInterface({ input: child.stdout! })) return { child, url: (JSON.parse(line) as { url: string }).url, said: () => said };
  throw new Error(`it did not start: ${said}`);
}

interface Report { name: string; status: string; step: number | null; attempts: number }

async function run(url: string, until: (r: Report) => boolean): Promise<Report> {
  for (let i = 0; ; i++) {
    const { runs } = (await (await fetch(`${url}/api/runs`)).json()) as { runs: Report[] }, found = runs.find((r) => r.name === 'tiny');
    if (found && until(found)) return found;
    assert.ok(i < 1200, `the run stands at ${JSON.stringify(found)}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

test('a run outlives its server, stops with it when asked, and goes on with the next', async () => {
  const first = await start(0), trainer = startingProcess('tiny', home)!;
  assert.match(await (await fetch(first.url)).text(), /<div id="studio">/);
  const { runs, starts } = (await (await fetch(`${first.url}/api/runs`)).json()) as { runs: unknown[]; starts: { run: string; state: string }[] };
  if (runs.length === 0) assert.deepEqual([starts[0]!.run, starts[0]!.state], ['tiny', 'starting'], 'told of before it has a folder');
  const { step } = await run(first.url, (r) => (r.step ?? 0) > 0);
  process.kill(trainer, 'SIGSTOP'); // on a fast machine it would be finished before the second server is there
  const second = await start(Number(new URL(first.url).port));
  assert.notEqual(second.url, first.url, 'the next free port');
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  process.kill(trainer, 'SIGCONT');
  const later = await run(second.url, (r) => (r.step ?? 0) > step! + 2);
  assert.deepEqual([later.status, later.attempts], ['running', 1]);
  const answer = await fetch(`${second.url}/api/runs/tiny/stop`, { method: 'POST' });
  assert.equal(answer.status, 200);
  const stopped = await run(second.url, (r) => r.status !== 'running');
  assert.equal(stopped.status, 'aborted');
  second.child.kill('SIGTERM');
  assert.deepEqual((await once(second.child, 'exit'))[0], 0, second.said());

  const third = await start(0);
  const again = await run(third.url, (r) => r.status === 'running' && (r.step ?? 0) > stopped.step!);
  assert.equal(again.attempts, 2);
  const { samples } = (await (await fetch(`${third.url}/api/runs/tiny/samples`)).json()) as { samples: { step: number; label: string; shown: unknown[] }[] };
  assert.deepEqual([samples[0]!.step, samples[0]!.label, samples[0]!.shown.length], [0, 'glimpse', 3]);
  third.child.kill('SIGINT');
  assert.deepEqual((await once(third.child, 'exit'))[0], 0, third.said());
  const [end] = listRuns(home);
  assert.deepEqual([end!.status, end!.step! >= again.step!], ['aborted', true], 'it saved before it ended');
});

const lives = (pid: number): boolean => { try { process.kill(pid, 0); return true; } catch { return false; } };

test('a trainer that still measures is found by a second start, and Ctrl-C leaves none behind', async () => {
  for (const measuresFor of [0, 3000]) {
    const empty = temporaryHome(), first = await start(0, empty), pid = startingProcess('tiny', empty)!;
    assert.ok(lives(pid));
    if (measuresFor === 0) {
      process.kill(pid, 'SIGSTOP'); // so that it measures for as long as this takes
      const second = await start(0, empty), { starts } = (await (await fetch(`${second.url}/api/runs`)).json()) as { starts: { run: string; state: string }[] };
      assert.deepEqual(starts.map(({ run, state }) => [run, state]), [['tiny', 'starting']]);
      second.child.kill('SIGINT');
      assert.deepEqual((await once(second.child, 'exit'))[0], 0, second.said());
      assert.equal(startingProcess('tiny', empty), pid, 'it began none, and stopped none that is not its own');
    } else await new Promise((resolve) => { setTimeout(resolve, measuresFor); });
    first.child.kill('SIGINT');
    if (measuresFor === 0) setTimeout(() => process.kill(pid, 'SIGCONT'), 500);
    assert.deepEqual((await once(first.child, 'exit'))[0], 0, first.said());
    assert.equal(lives(pid), false, 'no trainer goes on by itself');
    assert.equal(startingProcess('tiny', empty), null);
  }
});

test('a trainer that fails before its run has a folder is told on the terminal: code, message, what to do', async () => {
  const empty = temporaryHome(), { child, said } = await start(0, empty, (at) => mkdirSync(join(at, 'runs', 'tiny', 'run.json'), { recursive: true })); // its name cannot be written
  for (let i = 0; !said().includes('"error"'); i++) {
    assert.ok(i < 600, said());
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  const { error } = JSON.parse(said().trim().split('\n').at(-1)!) as { error: { code: string; message: string; hint: string } };
  assert.deepEqual([error.code, /there is a run called "tiny" already/.test(error.message), /--resume/.test(error.hint)], ['EXISTS', true, true]);
  child.kill('SIGINT');
  assert.deepEqual((await once(child, 'exit'))[0], 0, said());
});

test('the last error of a log is read back as it was said', async () => {
  const { errorText, lastError } = await import('../src/cli/error-words.ts'), plain = styleFor({ isTTY: false }, { NO_COLOR: '1' });
  const error = { code: 'MEMORY', message: 'this run needs 9 MiB\n  weights  4 MiB', hint: 'Lower it;\nor say so.' }, bare = { code: 'DISK', message: 'the disk is full', hint: undefined };
  for (const told of [error, bare]) assert.deepEqual(lastError(`about 3 s\nerror: another\ncode INPUT\n${errorText(told, plain)}\n`), told);
  assert.equal(lastError('step 3: error: nothing\n'), null);
});
