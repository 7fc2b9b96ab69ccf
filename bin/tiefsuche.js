#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  console.error('tiefsuche is not built yet. Run `npm run setup` in its folder (or `npm start`, which does it).');
  process.exit(1);
}
await import(main.href);
