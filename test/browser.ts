// The browser that tests of the page drive: Debian's Chromium, or the one that CHROMIUM names.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type Page, chromium } from 'playwright-core';

export async function openBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser || command -v google-chrome'], { encoding: 'utf8' }).stdout.trim();
  assert.ok(executablePath !== '', 'the page is tested in a real browser: apt-get install chromium (or set CHROMIUM to one)');
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe-core finds on a page against WCAG 2.1 A and AA. */
export async function violations(on: Page): Promise<string[]> {
  await on.evaluate(readFileSync(axe, 'utf8'));
  return on.evaluate(async () => {
    type Found = { violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] };
    const { violations: found } = await (globalThis as unknown as { axe: { run(where: unknown, how: object): Promise<Found> } }).axe.run((globalThis as unknown as { document: unknown }).document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] });
    return found.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 200)} ${n.failureSummary ?? ''}`));
  });
}
