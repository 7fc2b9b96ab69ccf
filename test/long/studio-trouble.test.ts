// The page when something dies: the process that trains (killed, and gone on with from the page), the server (killed while
// someone writes, and while an answer is awaited, and started again). And talking with a run of adapters before its end.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { listClaims } from '../../src/ledger/claim.ts';
import { temporaryHome } from '../../src/ledger/testing/sample-run.ts';
import { latestCheckpoint } from '../../src/models/formats/checkpoint-folder.ts';
import { openRun } from '../../src/runs/run-folder.ts';
import { openBrowser } from '../browser.ts';
import { type Running, killServers, startServer, stopServer } from '../serving-process.ts';

const thinker = fileURLToPath(new URL('../fixtures/thinker', import.meta.url)), main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)), home = temporaryHome();
const question = 'Today is Friday. Which weekday is it in 62 days?';
let server: Running, training: ChildProcess, browser: Browser, page: Page;

const trainer = (): number => listClaims(openRun('adapters', home).attempts, '').at(-1)!.content!.process.pid;
async function until(what: () => boolean): Promise<void> {
  for (let i = 0; !what(); i++) {
    assert.ok(i < 600, `never: ${String(what)}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

before(async () => {
  cpSync(thinker, join(home, 'runs', 'small', 'final'), { recursive: true });
  writeFileSync(join(home, 'runs', 'small', 'run.json'), JSON.stringify({ id: 'small-abcdef', name: 'small' }));
  const folder = join(home, 'recipe'), rows = Array.from({ length: 40 }, (_, i) => JSON.stringify({ prompt: question.replace('62', String(i + 1)), completion: 'Thursday' }));
  mkdirSync(folder);
  writeFileSync(join(folder, 'train.jsonl'), `${rows.join('\n')}\n`);
  writeFileSync(join(folder, 'adapters.yaml'), `name: adapters\nwhy: to be killed\nseed: 1\nmodel: {from: ${JSON.stringify(thinker)}}\nlora: {rank: 2}\ncheckpoints: {every: 300}\nstages: [{method: sft, steps: 1000000, batch: 4, data: {file: train.jsonl}}]\n`);
  training = spawn(process.execPath, ['--import', 'tsx', main, 'train', join(folder, 'adapters.yaml'), '--run', 'adapters'], { stdio: 'ignore', env: { ...process.env, TIEFSUCHE_HOME: home } });
  [server, browser] = await Promise.all([startServer(home, ['small']), openBrowser()]);
  await until(() => latestCheckpoint(join(home, 'runs', 'adapters')) !== null || training.exitCode !== null);
  page = await browser.newPage({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
  page.setDefaultTimeout(30_000);
});

after(async () => {
  await browser?.close();
  try { process.kill(trainer(), 'SIGKILL'); } catch { /* it has ended */ }
  killServers();
});

test('one talks with adapters while they learn; their trainer is killed: the page says so, goes on with the run, and stops it', async () => {
  await page.goto(`${server.url}/#/runs/adapters`);
  await page.locator('.run-title .state-running').waitFor();
  await page.getByRole('button', { name: 'Talk with it' }).click();
  await page.getByRole('option', { name: /^adapters · step \d/ }).waitFor({ state: 'attached' });
  await page.getByRole('textbox', { name: 'Message' }).fill(question);
  await page.locator('button.round:not(:disabled)').click();
  await page.locator('.actions').waitFor();
  assert.match(await page.locator('.facts').innerText(), /adapters, step \d/);
  assert.ok((await page.locator('.answer .prose').innerText()).length > 0);

  await page.goto(`${server.url}/#/runs/adapters`);
  training.kill('SIGKILL');
  await once(training, 'exit');
  await page.getByRole('alert').getByText('ended without a word').waitFor();
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.locator('.run-title .state-running').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0);
  assert.equal(readdirSync(openRun('adapters', home).attempts).length, 2, 'another attempt at the same run');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.locator('.run-title .state-aborted').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0, 'to be stopped is no failure');
});

test('a killed server: the page says so, keeps what is written, and goes on when it is back', async () => {
  await page.goto(`${server.url}/#/chat`);
  await page.getByRole('link', { name: 'New conversation' }).click();
  const box = page.getByRole('textbox', { name: 'Message' }), send = page.getByRole('button', { name: 'Send' }), port = new URL(server.url).port, gone = page.getByText('The server cannot be reached.');
  await page.getByLabel('Model').selectOption('small');
  await box.fill(question);
  await send.click();
  await page.locator('.actions').waitFor();
  const [answer, address] = [await page.locator('.answer .prose').innerText(), page.url()];
  const kept = (): { messages: { role: string; content: string; finish?: string }[] } => JSON.parse(readFileSync(join(home, 'chats', 'local', `${address.split('/').at(-1)}.json`), 'utf8'));

  await box.fill('half a sent');
  server.child.kill('SIGKILL');
  await gone.waitFor();
  await box.fill('half a sentence, and its end');
  assert.equal(await send.isDisabled(), true);
  server = await startServer(home, ['small'], ['--port', port]);
  await gone.waitFor({ state: 'detached' });
  assert.deepEqual([await box.inputValue(), await page.locator('.answer .prose').innerText(), page.url()], ['half a sentence, and its end', answer, address]);
  await page.reload();
  await page.locator('.actions').waitFor();
  assert.equal(await box.inputValue(), 'half a sentence, and its end', 'a reload takes nothing either');

  await page.locator('button.round:not(:disabled)').waitFor();
  server.child.kill('SIGSTOP');
  await send.click();
  await page.locator('.waiting').waitFor();
  server.child.kill('SIGKILL');
  await page.locator('.answer').getByText('failed: the connection to the server broke').waitFor();
  assert.equal(kept().messages.length, 2);
  server = await startServer(home, ['small'], ['--port', port]);
  await until(() => kept().messages.length === 4);
  assert.deepEqual(kept().messages.map((m) => m.finish ?? m.content), [question, 'stop', 'half a sentence, and its end', 'failed'], 'kept as soon as it could be');
  await page.locator('.exchange').nth(1).getByRole('button', { name: 'Regenerate' }).click();
  await page.locator('.exchange').nth(1).getByText('tokens/s').waitFor();
  assert.equal(await page.locator('.answer').getByText('failed:').count(), 0);
  assert.equal(await stopServer(server), 0);
  assert.ok(existsSync(join(home, 'runs', 'adapters', 'run.json')));
});
