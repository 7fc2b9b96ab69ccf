// The browser that tests of the page drive: Debian's Chromium, or the one that CHROMIUM names.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

export async function openBrowser(): Promise<Browser> {
  const executablePath = process.env['CHROMIUM'] ?? spawnSync('sh', ['-c', 'command -v chromium || command -v chromium-browser || command -v google-chrome'], { encoding: 'utf8' }).stdout.trim();
  assert.ok(executablePath !== '', 'the page is tested in a real browser: apt-get install chromium (or set CHROMIUM to one)');
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
}
