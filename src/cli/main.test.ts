import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sampleAttempt, temporaryHome } from '../ledger/testing/sample-run.ts';
import { createRun } from '../runs/run-folder.ts';
import { lockRun } from '../runs/run-lock.ts';
import { commands } from './commands/index.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const done = { outcome: 'completed', step: 3, checkpoint_sha256: null, error: null } as const;

function tiefsuche(args: readonly string[], home = temporaryHome(), env: NodeJS.ProcessEnv = {}): { status: number | null; out: string; err: string } {
  const result = spawnSync(process.execPath, ['--import', 'tsx', main, ...args], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '', TIEFSUCHE_HOME: home, ...env } });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

/** A home with a finished run that grew from one whose first attempt failed. */
function homeWithRuns(): string {
  const home = temporaryHome();
  const base = createRun('base', home);
  for (const outcome of ['failed', 'completed'] as const) {
    const lock = lockRun(base.attempts, 'base');
    sampleAttempt(home, base.id, 3, lock.attempt).end({ ...done, outcome });
    lock.end(outcome);
  }
  const child = createRun('child', home);
  const lock = lockRun(child.attempts, 'child');
  sampleAttempt(home, child.id, 2, 1, { parents: [{ relation: 'weights', run: base.id }] }).end({ ...done, outcome: 'aborted' });
  lock.end('aborted');
  createRun('begun', home);
  return home;
}

test('every command file is listed, and its line says what the file says', async () => {
  const files = readdirSync(new URL('./commands', import.meta.url)).filter((f) => f !== 'index.ts' && !f.endsWith('.test.ts'));
  const loaded = await Promise.all(commands.map((c) => c.load()));
  assert.deepEqual(loaded.map((c) => `${c.name}.ts`).sort(), files.sort());
  for (const [i, command] of loaded.entries()) {
    assert.equal(command.name, commands[i]!.name);
    assert.equal(command.summary, commands[i]!.summary);
    assert.ok(command.examples.length > 0 && command.examples.every((e) => e.line.startsWith(`tiefsuche ${command.name}`)), command.name);
  }
});

test('help lists all commands, explains one with examples, and ends with 0', () => {
  const home = temporaryHome();
  const help = tiefsuche(['--help'], home);
  assert.equal(help.status, 0);
  for (const { name } of commands) assert.match(help.out, new RegExp(`^  ${name} `, 'm'));
  assert.equal(tiefsuche([], home).out, help.out);
  const bill = tiefsuche(['bill', '--help']);
  assert.equal(bill.status, 0);
  assert.match(bill.out, /--price <euro>[\s\S]*--json[\s\S]*Examples:\s+tiefsuche bill quickstart/);
  assert.equal(tiefsuche(['help', 'bill']).out, bill.out);
  assert.match(tiefsuche(['--version']).out, /^\d+\.\d+\.\d+\n$/);
});

test('wrong usage ends with 2 and says what, and what to do', () => {
  const cases: [string[], RegExp][] = [
    [['rnus'], /^error: there is no command "rnus"\nhint: did you mean `tiefsuche runs`\?\ncode USAGE\n$/],
    [['quantum'], /hint: `tiefsuche --help` lists the commands/],
    [['bill'], /missing required argument 'run'\nhint: add --help/],
    [['bill', 'x', '--prise', '1'], /unknown option '--prise'\nhint: did you mean --price\?/],
    [['bill', 'x', '--price', 'cheap'], /--price: expected a number from 0 up, got "cheap"/],
    [['ledger', 'repair'], /"repair" is not a known action\nhint: expected verify/],
    [['bill', 'x', 'y'], /too many arguments/],
  ];
  for (const [args, expected] of cases) {
    const { status, out, err } = tiefsuche(args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(out, '');
    assert.match(err, expected);
  }
  const { err } = tiefsuche(['bill', 'x', '--json']);
  assert.equal((JSON.parse(err) as { error: { code: string } }).error.code, 'NOT_FOUND');
});

test('runs lists finished, failed, aborted, unfinished and deleted ones', () => {
  const home = homeWithRuns();
  const listed = JSON.parse(tiefsuche(['runs', '--json'], home).out) as { name: string; status: string; attempts: number; outcomes: string[]; path: string | null; seconds: number }[];
  assert.deepEqual(listed.map((r) => [r.name, r.status, r.attempts, r.outcomes]),
    [['child', 'aborted', 1, ['aborted']], ['base', 'finished', 2, ['failed', 'completed']], ['begun', 'unfinished', 0, []]]);
  assert.equal(listed[1]!.seconds, 6 * 3600);
  rmSync(join(home, 'runs/base'), { recursive: true });
  const { out } = tiefsuche(['runs'], home);
  assert.match(out, /^base \(folder deleted\) +finished +2 +– +6 h 0 min/m);
  assert.ok(!out.includes('\x1b'), 'no colour in a pipe');
  assert.match(tiefsuche(['runs'], home, { FORCE_COLOR: '1' }).out, /\x1b\[33maborted/);
  assert.ok(!tiefsuche(['runs'], home, { FORCE_COLOR: '1', NO_COLOR: '1' }).out.includes('\x1b'));
  assert.match(tiefsuche(['runs']).out, /no runs yet/);
});

test('bill adds up what led to a run; the ledger is checked with it', () => {
  const home = homeWithRuns();
  const { status, out } = tiefsuche(['bill', 'child'], home);
  assert.equal(status, 0);
  assert.match(out, /^time +2 h 0 min +8 h 0 min +measured$/m);
  assert.match(out, /^electricity +1 € +4 € +estimated$/m);
  assert.match(out, /^base +weights +6 h 0 min +6 kWh +2 attempts: 1 completed, 1 failed$/m);
  const bill = JSON.parse(tiefsuche(['bill', 'child', '--json', '--price', '1'], home).out) as { total: { euro_electricity: { value: number; grade: string } }; ledger: { intact: boolean } };
  assert.ok(Math.abs(bill.total.euro_electricity.value - 8) < 1e-9);
  assert.equal(bill.ledger.intact, true);

  assert.match(tiefsuche(['ledger', 'verify'], home).out, /^intact +15 records|^intact +\d+ records in 4 files/m);
  const [file] = readdirSync(join(home, 'ledger/attempts')).filter((f) => f.startsWith('base'));
  const path = join(home, 'ledger/attempts', file!);
  writeFileSync(path, readFileSync(path, 'utf8').replace('"seconds":3600,"stage"', '"seconds":1,"stage"').replace('"seconds":3600', '"seconds":360'));
  const verified = tiefsuche(['ledger', 'verify'], home);
  assert.equal(verified.status, 1);
  assert.match(verified.out, new RegExp(`^changed  attempts/${file!.replaceAll('.', '\\.')}:2  was changed`, 'm'));
  const told = JSON.parse(tiefsuche(['ledger', 'verify', '--json'], home).out) as { intact: boolean; problems: { line: number }[] };
  assert.deepEqual([told.intact, told.problems.map((p) => p.line)], [false, [2]]);
  assert.match(tiefsuche(['bill', 'child'], home).err, /warning: the ledger was changed/);
});

test('doctor looks at the machine and survives a broken addon', async () => {
  const { status, out } = tiefsuche(['doctor', '--json']);
  const told = JSON.parse(out) as { machine: { cpu: string; usableProcessors: number; freeBytes: number }; findings: { topic: string; verdict: string }[]; meters: { used: unknown[] }; works: unknown[] };
  assert.ok(told.machine.cpu && told.machine.usableProcessors >= 1 && told.machine.freeBytes > 0);
  assert.deepEqual(told.findings.map((f) => f.topic), ['processor', 'instructions', 'native kernels', 'memory', 'disk', 'Node', 'energy']);
  assert.equal(status, told.findings.some((f) => f.verdict === 'bad') ? 1 : 0);
  assert.equal(told.meters.used.length, 1);
  const { askAddon } = await import('./machine.ts');
  assert.equal(askAddon('/nowhere/x.node'), null);
  const broken = join(temporaryHome(), 'broken.node');
  writeFileSync(broken, 'not a library');
  assert.match(String(askAddon(broken)), /Error|header|invalid/i);
});

test('first Ctrl-C asks to stop and work can end with 130, the second ends at once', async () => {
  const program = (saves: boolean): string => `
    const { onInterrupt } = await import(${JSON.stringify(new URL('./terminal.ts', import.meta.url).href)});
    const stop = onInterrupt();
    const timer = setInterval(() => {
      if (${saves} && stop.signal.aborted) { clearInterval(timer); console.log('saved'); process.exitCode = 130; }
    }, 10);
    console.log('ready');`;
  for (const saves of [true, false]) {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program(saves)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (d) => { out += String(d); });
    child.stderr.on('data', (d) => { err += String(d); });
    await once(child.stdout, 'data');
    const ended = once(child, 'close');
    child.kill('SIGINT');
    if (!saves) {
      while (!err.includes('stopping')) await new Promise((resolve) => setTimeout(resolve, 10));
      child.kill('SIGINT');
    }
    const [status] = await ended;
    assert.equal(status, 130);
    assert.match(err, /stopping: finishing this step/);
    assert.equal(out.includes('saved'), saves);
    assert.equal(err.includes('stopped at once'), !saves);
  }
});
