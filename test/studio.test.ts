// The page in a real browser, before a real server: a first message with its thinking and answer, a run whose curves move
// and whose thoughts one scrubs through, German and English, a small screen, no violation that axe-core finds, nothing on the
// console, and no request that leaves.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { takeClaim } from '../src/ledger/claim.ts';
import { temporaryHome } from '../src/ledger/testing/sample-run.ts';
import { exportGguf } from '../src/models/export-gguf.ts';
import { openExportSource } from '../src/models/export-source.ts';
import { openBrowser, violations } from './browser.ts';

const root = fileURLToPath(new URL('..', import.meta.url)), home = temporaryHome();
const main = join(root, 'src/cli/main.ts');
let server: ChildProcess, url: string, browser: Browser, context: BrowserContext, page: Page;
const noise: string[] = [], outside: string[] = [];

/** A run that is being trained by this process, as far as its folder tells. */
function growingRun(): { grow(from: number, to: number): void } {
  const path = join(home, 'runs', 'growing'), samples = join(path, 'samples');
  mkdirSync(samples, { recursive: true });
  writeFileSync(join(path, 'run.json'), JSON.stringify({ id: 'growing-abcdef', name: 'growing' }));
  writeFileSync(join(path, 'recipe.yaml'), 'name: growing\nstages:\n  - {method: sft, steps: 60}\n  - {method: grpo, steps: 40}\n');
  takeClaim(join(path, 'attempts'), '');
  const shown = (thinking: string, content: string): object => ({ task: 'calendar', prompt: 'Today is Friday. Which weekday is it in 62 days?', thinking, content, expected: 'Thursday', right: content === 'Thursday' });
  const sample = (step: number, thinking: string, content: string): void => writeFileSync(join(samples, `step-${String(step).padStart(8, '0')}-glimpse.json`), JSON.stringify({ label: 'glimpse', step, shown: [shown(thinking, content)] }));
  sample(0, '', '7z##q');
  sample(25, '62-56=9', 'Monday');
  sample(50, '62-56=6 Friday+6=Thursday', 'Thursday');
  return {
    grow(from, to) {
      for (let step = from; step <= to; step++) appendFileSync(join(path, 'metrics.jsonl'), `${JSON.stringify({ step, stage: step <= 60 ? '0.sft' : '1.grpo', loss: 5 / step, ...(step > 60 && { reward: step / 100, length: 30, dead_groups: 0.2 }), tokens_per_s: 5000, seconds: 0.1, joules: 1 })}\n`);
    },
  };
}

const run = growingRun();

before(async () => {
  cpSync(join(root, 'test/fixtures/thinker'), join(home, 'runs', 'small', 'final'), { recursive: true });
  writeFileSync(join(home, 'runs', 'small', 'run.json'), JSON.stringify({ id: 'small-abcdef', name: 'small' }));
  writeFileSync(join(home, 'runs', 'small', 'metrics.jsonl'), Array.from({ length: 40 }, (_, i) => `${JSON.stringify({ step: i + 1, stage: '0.sft', loss: 0.5 })}\n`).join(''));
  run.grow(1, 50);
  assert.ok(existsSync(join(root, 'dist/studio/index.html')), 'the page was not built: node scripts/setup.js');
  server = spawn(process.execPath, ['--import', 'tsx', main, 'serve', 'small', '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TIEFSUCHE_HOME: home } });
  for await (const line of createInterface({ input: server.stdout! })) { url = (JSON.parse(line) as { url: string }).url; break; }
  browser = await openBrowser();
  context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: 'en-GB' });
  page = await context.newPage();
  listen(page);
});

after(async () => {
  await browser?.close();
  server?.kill('SIGTERM');
  if (server && server.exitCode === null) await once(server, 'exit');
});

function listen(on: Page): void {
  on.on('console', (message) => { if (['error', 'warning'].includes(message.type())) noise.push(message.text()); });
  on.on('pageerror', (error) => noise.push(error.message));
  on.on('request', (request) => { if (!request.url().startsWith(url) && !request.url().startsWith('data:')) outside.push(request.url()); });
  on.setDefaultTimeout(20_000);
}

const text = (selector: string): Promise<string> => page.locator(selector).first().innerText();

test('a first message: the notice, then thinking in its lane and the answer; kept, found, exported', async () => {
  await page.goto(`${url}/#/chat`);
  await page.locator('.notice', { hasText: 'small' }).waitFor();
  assert.match(await text('.notice'), /You are talking to an AI system\..*small/s);
  assert.match(await text('.training-use'), /Nothing typed here is used for training/);
  const box = page.getByRole('textbox', { name: 'Message' });
  await box.fill('Today is Friday. Which weekday is it in 62 days?');
  await box.press('Enter');
  await page.locator('.actions').waitFor();
  assert.ok((await text('.answer .prose')).length > 0);
  assert.match(await text('.lane-text'), /62-56=6/);
  assert.match(await text('.lane-depth'), /\d+ tokens.*J/s);
  assert.match(await text('.facts'), /small.*tokens\/s.*J/s);
  assert.match((await page.locator('[role=log]').innerText()), /The model is thinking.*Answer complete/s, 'said to screen readers');
  const first = await text('.answer .prose');

  await page.getByRole('button', { name: /Thinking/ }).click();
  assert.equal(await page.locator('.lane-text').isHidden(), true, 'the lane folds');
  await page.getByRole('button', { name: /Thinking/ }).click();

  await page.getByRole('button', { name: 'Probabilities' }).click();
  await page.getByRole('button', { name: 'Give it again with probabilities' }).click();
  await page.locator('.actions').waitFor();
  await page.getByRole('button', { name: 'Probabilities' }).click();
  await page.locator('.tokens:not(.tokens-thought) .token').first().click();
  assert.match(await text('.token-odds'), /had .*%/);
  assert.deepEqual(await violations(page), []);
  await page.getByRole('button', { name: 'Hide probabilities' }).click();
  assert.equal(await text('.answer .prose'), first, 'the same seed gives the same answer');

  await page.getByRole('button', { name: 'Good answer' }).click();
  assert.match(await text('.answer'), /Kept as feedback with this conversation only/);
  await page.locator('.question').hover();
  await page.getByRole('button', { name: 'Edit' }).click();
  await page.getByRole('textbox', { name: 'Edit' }).fill('Today is Monday. Which weekday is it in 3 days?');
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.locator('.actions').waitFor();
  assert.equal(await page.locator('.question').count(), 1);

  await page.reload();
  await page.locator('.actions').waitFor();
  assert.match(await text('.question-text'), /Monday/);
  await page.getByRole('searchbox').fill('monday 3 days');
  await page.locator('.chat-list small').waitFor();
  assert.equal(await page.locator('.chat-list li').count(), 1);

  const [kept] = readdirSync(join(home, 'chats', 'local')), file = join(home, 'chats', 'local', kept!);
  assert.equal(statSync(file).mode & 0o777, 0o600, 'for its owner alone');
  const exported = (await (await context.request.get(`${url}/api/chats/${kept!.replace('.json', '')}/export?format=json`)).json()) as { generated: boolean; models: { name: string; weights_sha256: string }[] };
  assert.deepEqual([exported.generated, exported.models[0]!.name, exported.models[0]!.weights_sha256.length], [true, 'small', 64]);
  const markdown = await (await context.request.get(`${url}/api/chats/${kept!.replace('.json', '')}/export?format=markdown&language=de`)).text();
  assert.match(markdown, /^---\nformat: .*\ngenerated: true\n[^]*hat ein KI-System erzeugt[^]*> /);
});

test('a file takes of the context what is said; what is none is refused', async () => {
  await page.goto(`${url}/#/chat`);
  await page.getByText('New conversation').first().click();
  const picker = page.locator('.composer input[type=file]');
  await picker.setInputFiles({ name: 'days.csv', mimeType: 'text/csv', buffer: Buffer.from('Monday,3\nFriday,5\n') });
  await page.getByText(/\d+ of 320 tokens/).waitFor();
  await picker.setInputFiles([{ name: 'bad.pdf', mimeType: 'application/pdf', buffer: Buffer.from('hello') }, { name: 'bad.txt', mimeType: 'text/plain', buffer: Buffer.from([0xff, 0xfe, 0x00]) }]);
  await page.getByText('bad.pdf could not be read').waitFor();
  await page.getByText('bad.txt could not be read').waitFor();
  await picker.setInputFiles({ name: 'paper.pdf', mimeType: 'application/pdf', buffer: pdfSaying('Monday plus 3') });
  await page.getByText('paper.pdf', { exact: false }).waitFor();
  await page.locator('.composer .files li', { hasText: 'paper.pdf' }).getByText(/of 320 tokens/).waitFor();
});

test('Markdown and maths are set, HTML stays text, nothing of it loads from elsewhere', async () => {
  const id = '12345678-1234-4234-8234-123456789abc', time = new Date().toISOString();
  const content = '**bold** and $\\frac{x^2}{2}$, not $5 or $6\n\n$$\\sum_{i=1}^n \\color{red} i = \\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}$$\n\n<img src=x onerror="alert(1)"> <script>alert(2)</script>\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![picture](https://elsewhere.invalid/x.png) [link](javascript:alert(3))';
  const answer = { role: 'assistant', content, thinking: '', time, generated: true, model: 'small', weights_sha256: null, step: null, seed: 1, finish: 'stop', thinking_ended: null, error: null, tokens: 9, thinking_tokens: 0, seconds: 1, thinking_seconds: null, joules: null, energy_method: null, rating: null };
  const settings = { system: '', temperature: 0, top_p: 1, seed: null, max_tokens: null, thinking: 'auto', thinking_budget: null };
  const put = await context.request.put(`${url}/api/chats/${id}`, { data: { id, title: 'set', model: 'small', created: time, updated: time, consent: null, settings, messages: [{ role: 'user', content: 'show', time, attachments: [] }, answer] } });
  assert.equal(put.status(), 200, await put.text());
  await page.goto(`${url}/#/chat/${id}`);
  await page.locator('.prose math').nth(1).waitFor({ state: 'attached' });
  assert.equal(await page.locator('.prose mfrac').count(), 1);
  assert.equal(await page.locator('.prose strong').innerText(), 'bold');
  assert.equal(await page.locator('.prose td').count(), 2);
  assert.equal(await page.locator('.prose img, .prose script, .prose [href^=javascript]').count(), 0);
  assert.match(await page.locator('.prose').innerText(), /not \$5 or \$6[^]*<img src=x/);
});

test('a run: its curves move, and one scrubs through its thoughts', async () => {
  await page.goto(`${url}/#/runs/growing`);
  const loss = page.locator('.curve', { hasText: 'Loss' }).locator('.unseen');
  await loss.waitFor({ state: 'attached' });
  assert.match(await loss.innerText(), /at step 50,/);
  assert.match(await text('.moment'), /step 50.*1 of 1 right/s);
  assert.match(await text('.thought'), /Friday\+6=Thursday/);
  run.grow(51, 90);
  await page.locator('.curve', { hasText: 'Reward' }).locator('.unseen', { hasText: 'at step 90' }).waitFor({ state: 'attached' });
  assert.match(await text('.progress-words'), /Step 90 of 100/);
  const slider = page.getByRole('slider', { name: 'Step' });
  await slider.focus();
  await page.keyboard.press('ArrowLeft');
  assert.match(await text('.moment'), /step 25.*0 of 1 right/s);
  assert.match(await text('.problems li'), /62-56=9.*Monday.*wrong.*expected Thursday/s);
  await page.keyboard.press('Home');
  assert.match(await text('.problems li'), /no thought.*7z##q/s);
  assert.deepEqual(await violations(page), []);
  await page.goto(`${url}/#/runs`);
  for (const name of ['growing', 'small']) await page.getByRole('checkbox', { name: `Choose ${name} to compare` }).check();
  await page.getByRole('button', { name: 'Compare' }).click();
  await page.locator('.legend li').nth(1).waitFor();
  const loss2 = page.locator('.curve', { hasText: 'Loss' }).locator('.unseen');
  await loss2.nth(1).waitFor({ state: 'attached' });
  assert.match((await loss2.allInnerTexts()).join(' '), /growing: .*at step 60.*small: 0\.5 at step 40/s);
  assert.match(await page.getByRole('region', { name: 'Outcomes' }).innerText(), /growing\s+training[^]*small/);
  assert.deepEqual(await violations(page), []);
});

test('models: a file is added, loaded, unloaded and deleted; what is none is refused', async () => {
  const source = openExportSource(join(root, 'test/fixtures/thinker')), file = join(home, 'plumb.gguf');
  await exportGguf(source, file, 'F32');
  source.close();
  page.on('dialog', (d) => void d.accept());
  await page.goto(`${url}/#/models`);
  const card = page.locator('.shelf li', { hasText: 'plumb.gguf' }), picker = page.locator('input[type=file]'), act = (name: string) => card.getByRole('button', { name }).click();
  await picker.setInputFiles({ name: 'none.gguf', mimeType: 'application/octet-stream', buffer: Buffer.from('no model at all') });
  await page.getByRole('alert').waitFor();
  assert.ok(!existsSync(join(home, 'models', 'none.gguf')));
  await picker.setInputFiles(file);
  await card.getByText('on disk').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0);
  assert.match(await card.innerText(), /Parameters\s+50\.8k, llama[^]*Memory\s+fits/);
  await act('Load');
  await card.getByText('loaded', { exact: true }).waitFor();
  await act('Unload');
  await card.getByText('on disk').waitFor();
  await act('Delete');
  await card.waitFor({ state: 'detached' });
  assert.ok(!existsSync(join(home, 'models', 'plumb.gguf')));
  noise.splice(0, noise.length, ...noise.filter((line) => !/status of 400/.test(line))); // the browser notes the refusal
});

test('what is kept of oneself: how long, as one file, and its end', async () => {
  await page.goto(`${url}/#/house`);
  await page.getByLabel('Contact for questions').fill('ask@example.org');
  await page.getByLabel('Delete conversations untouched').fill('30');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.goto(`${url}/#/chat`);
  await page.locator('.notice', { hasText: 'ask@example.org' }).waitFor();
  await page.locator('.chat-list li').first().waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByText('What lies untouched for 30 days is deleted.').waitFor();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Export all' }).click()]);
  const all = JSON.parse(readFileSync(await download.path(), 'utf8')) as { user: string; conversations: { generated: boolean; conversation: { title: string } }[] };
  assert.equal(all.user, 'local');
  assert.ok(all.conversations.length >= 2 && all.conversations.every((c) => c.generated));
  await page.getByRole('button', { name: 'Delete all' }).click();
  await page.getByText(`Deleted: ${all.conversations.length}.`).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('searchbox').fill('');
  await page.getByText('No conversations yet.').waitFor();
  assert.ok(!existsSync(join(home, 'chats', 'local')));
});

test('German by the browser\'s language, dark, on a small screen; another language by choice', async () => {
  const german = await browser.newContext({ viewport: { width: 375, height: 720 }, locale: 'de-DE', colorScheme: 'dark' }), small = await german.newPage();
  listen(small);
  for (const [path, word] of [['chat', 'Sie sprechen mit einem KI-System.'], ['runs', 'Läufe'], ['runs/growing', 'Zusehen, wie es denken lernt'], ['models', 'Ihr eigenes'], ['house/rules', 'Ansprechstelle'], ['house/users', 'Noch keine Nutzer'], ['house/audit', 'führt kein Protokoll']] as const) {
    await small.goto(`${url}/#/${path}`);
    await small.getByText(word).first().waitFor();
    assert.equal(await small.evaluate('document.documentElement.lang'), 'de');
    assert.ok(await small.evaluate('document.documentElement.scrollWidth') as number <= 375, `${path} is wider than the screen`);
    assert.deepEqual(await violations(small), [], path);
  }
  await small.getByRole('button', { name: 'Einstellungen' }).click();
  assert.deepEqual(await violations(small), [], 'settings');
  await small.getByRole('radio', { name: 'English' }).check();
  await small.getByRole('heading', { name: 'Settings' }).waitFor();
  assert.equal(await small.evaluate('document.documentElement.lang'), 'en');
  await german.close();
});

test('at 200 % zoom everything is still there', async () => {
  await page.setViewportSize({ width: 640, height: 430 }); // what 1280 × 860 is then
  for (const path of ['chat', 'runs/growing', 'models']) {
    await page.goto(`${url}/#/${path}`);
    await page.locator('main *').first().waitFor();
    assert.ok(await page.evaluate('document.documentElement.scrollWidth') as number <= 640, `${path} is wider than the screen`);
  }
  await page.goto(`${url}/#/chat`);
  await page.getByRole('textbox', { name: 'Message' }).scrollIntoViewIfNeeded();
  assert.ok(await page.getByRole('textbox', { name: 'Message' }).isVisible());
});

test('nothing on the console, nothing from elsewhere', () => {
  assert.deepEqual(noise, []);
  assert.deepEqual(outside, []);
});

/** The smallest PDF with a line of text. */
function pdfSaying(words: string): Buffer {
  const stream = `BT /F1 12 Tf 20 100 Td (${words}) Tj ET`;
  const objects = ['<< /Type /Catalog /Pages 2 0 R >>', '<< /Type /Pages /Kids [3 0 R] /Count 1 >>', '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`, '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'];
  let body = '%PDF-1.4\n';
  const places = objects.map((o, i) => { const at = body.length; body += `${i + 1} 0 obj\n${o}\nendobj\n`; return at; });
  const table = body.length;
  body += `xref\n0 6\n0000000000 65535 f \n${places.map((p) => `${String(p).padStart(10, '0')} 00000 n \n`).join('')}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n${table}\n%%EOF\n`;
  return Buffer.from(body);
}
