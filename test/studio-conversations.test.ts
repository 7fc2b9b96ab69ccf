// What a person entrusts to the page, in a real browser before a real server: an answer belongs to the conversation it was
// asked in, a question is kept before it is answered, and what is deleted stays so.

import { after, before, beforeEach, test } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page, Route } from 'playwright-core';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import type { Conversation } from '../src/serving/studio/conversation.ts';
import { openBrowser } from './browser.ts';
import { type Running, killServers, startServer, stopServer } from './serving-process.ts';

const home = temporaryHome(), chats = join(home, 'chats', 'local'), question = 'Today is Friday. Which weekday is it in 62 days?';
let server: Running, browser: Browser, page: Page;

before(async () => {
  cpSync(fileURLToPath(new URL('fixtures/thinker', import.meta.url)), join(home, 'runs', 'small', 'final'), { recursive: true });
  writeFileSync(join(home, 'runs', 'small', 'run.json'), JSON.stringify({ id: 'small-abcdef', name: 'small' }));
  mkdirSync(join(home, 'models'));
  server = await startServer(home, ['small']);
  browser = await openBrowser();
});

beforeEach(async () => {
  // The page goes first, and the server answers once more: what the page sent last is written then, and nothing writes where we remove.
  await page?.context().close();
  await (await fetch(`${server.url}/health`)).text();
  rmSync(chats, { recursive: true, force: true });
  page = await (await browser.newContext({ locale: 'en-GB' })).newPage();
  page.setDefaultTimeout(15_000);
  page.on('dialog', (d) => void d.accept());
  await page.goto(`${server.url}/#/chat`);
  await page.getByRole('button', { name: 'Send', exact: true }).isEnabled();
});

after(async () => {
  await browser?.close();
  if (server) await stopServer(server);
  killServers();
});

/** What is kept; a file on its way to its name does not count yet. */
const kept = (): Conversation[] => { try { return readdirSync(chats).filter((name) => /^[0-9a-f-]{36}\.json$/.test(name)).map((name) => JSON.parse(readFileSync(join(chats, name), 'utf8')) as Conversation); } catch { return []; } };

async function until(what: () => boolean, why: string): Promise<void> {
  for (let i = 0; !what(); i++) {
    assert.ok(i < 150, `${why}: ${JSON.stringify(kept())}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

async function ask(words = question): Promise<void> {
  const box = page.getByRole('textbox', { name: 'Message' });
  await page.locator('button[aria-label=Send]:not([disabled])').waitFor();
  await box.fill(words);
  await box.press('Enter');
}

/** Answers wait until they are let go. */
async function heldAnswers(): Promise<{ asked(): Promise<void>; release(): Promise<void> }> {
  const held: Route[] = [];
  await page.route('**/v1/chat/completions', (route) => { held.push(route); });
  return {
    asked: () => until(() => held.length > 0, 'nobody was asked'),
    async release() {
      await page.unroute('**/v1/chat/completions');
      for (const route of held.splice(0)) await route.continue().catch(() => {});
    },
  };
}

test('a new conversation during an answer: the question stays where it was asked, and the new one is new', async () => {
  const { asked, release } = await heldAnswers();
  await ask();
  await asked();
  await until(() => kept().length === 1, 'kept before the answer');
  await page.getByRole('link', { name: 'New conversation' }).click();
  await page.locator('.hello').waitFor();
  await until(() => kept()[0]?.messages.length === 2, 'its end is kept');
  assert.equal(await page.locator('.exchange, .question').count(), 0);
  await release();
  await ask('2+2?');
  await page.locator('.actions').waitFor();
  await until(() => kept().length === 2 && kept().every((c) => c.messages.length === 2), 'two conversations');
  assert.deepEqual(kept().map(({ messages: [asks, says] }) => [asks!.content, says!.role === 'assistant' && says!.finish === 'stopped']).sort(), [['2+2?', false], [question, true]]);
  await page.locator('.chat-list li', { hasText: 'Friday' }).click();
  await page.locator('.question-text', { hasText: 'Friday' }).waitFor();
  await page.getByRole('button', { name: 'Regenerate' }).click();
  await page.locator('.facts', { hasText: 'tokens/s' }).waitFor();
});

test('a reload during an answer: the question is there, and can be answered', async () => {
  const { asked, release } = await heldAnswers();
  await ask();
  await asked();
  await until(() => kept().length === 1, 'kept before the answer');
  await page.reload();
  await release();
  await page.locator('.question-text', { hasText: 'Friday' }).waitFor();
  await page.getByRole('button', { name: 'Get an answer' }).click();
  await page.locator('.actions').waitFor();
  // While another answer comes, the one there is stays kept, and so does what follows it.
  await ask('2+2?');
  await until(() => kept()[0]?.messages.length === 4, 'two exchanges');
  await page.locator('.actions').nth(1).waitFor();
  const again = await heldAnswers();
  await page.getByRole('button', { name: 'Regenerate' }).first().click();
  await again.asked();
  await page.reload();
  await again.release();
  await page.locator('.actions').nth(1).waitFor();
  assert.equal(kept()[0]!.messages.length, 4);
});

test('all is deleted during an answer: nothing comes back', async () => {
  const { asked } = await heldAnswers();
  await ask();
  await asked();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Delete all' }).click();
  await page.getByText(/^Deleted: 1\.$/).waitFor();
  await page.keyboard.press('Escape');
  await page.getByText('No conversations yet.').waitFor();
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  assert.deepEqual(kept(), []);
});

test('where the house may train on ratings, the first rating asks; who agrees is told so at all times', async () => {
  const allow = (allowed: boolean): Promise<boolean> => page.evaluate(async (on) => (await fetch('/api/studio', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ contact: '', retention_days: null, feedback_for_training: on }) })).ok, allowed);
  assert.ok(await allow(true));
  await page.reload();
  await ask();
  await page.locator('.actions').waitFor();
  assert.match((await page.locator('.training-use').textContent())!, /^Nothing typed here is used for training/);
  await page.getByRole('button', { name: 'Good answer' }).click();
  await page.getByText(/May this house train models .* all that was said before them, files included/).waitFor();
  assert.equal(kept()[0]!.consent, null, 'a rating alone is no consent');
  await page.reload();
  await page.getByText('Kept as feedback with this conversation only.').waitFor();
  assert.equal(await page.getByText(/May this house train/).count(), 0, 'who opens a conversation again is not asked again');
  for (let i = 0; i < 2; i++) await page.getByRole('button', { name: 'Good answer' }).click(); // taken back, and given again
  await page.getByText(/May this house train/).waitFor();
  await page.getByRole('button', { name: 'Agree' }).click();
  await page.getByText('as you agreed, it may become training data').waitFor();
  assert.match((await page.locator('.training-use').textContent())!, /^You agreed: answers rated in this conversation/);
  await until(() => (kept()[0]?.consent ?? null) !== null, 'the consent is kept');
  assert.ok(await allow(false));
});
