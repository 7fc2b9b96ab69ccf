// Preloaded into a process under test: leaves its largest resident size in TIEFSUCHE_TEST_PEAK when it ends.

import { readFileSync, writeFileSync } from 'node:fs';

process.on('exit', () => {
  const peak = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (peak && process.env['TIEFSUCHE_TEST_PEAK']) writeFileSync(process.env['TIEFSUCHE_TEST_PEAK'], String(Number(peak[1]) * 1024));
});
