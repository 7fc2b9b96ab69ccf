// Builds the page into dist/studio/: scripts and styles with a hash of their content in their names, fonts beside them, and
// index.html that names them. esbuild, not Vite: it is here already (tsx brings it), takes half a second, and a page that is
// served by our own server needs no other.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url)), out = join(here, '..', 'dist', 'studio');

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here, entryPoints: ['main.tsx'], outdir: out, bundle: true, splitting: true, format: 'esm', target: 'es2022', platform: 'browser',
  jsx: 'automatic', jsxImportSource: 'preact', minify: !process.argv.includes('--readable'), metafile: true, legalComments: 'eof', logLevel: 'warning',
  entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]', publicPath: '/studio/',
  loader: { '.woff2': 'file' }, define: { 'process.env.NODE_ENV': '"production"' },
});
const [script, { cssBundle: style }] = Object.entries(metafile.outputs).find(([, o]) => o.entryPoint === 'main.tsx');
const html = readFileSync(join(here, 'index.html'), 'utf8').replace('%script%', `/studio/${basename(script)}`).replace('%style%', `/studio/${basename(style)}`);
writeFileSync(join(out, 'index.html'), html);
