// Loading needs the weights and little else: a process that opens a model in the bits of its file (a folder, a GGUF file), or
// in f32, stays below 1.1 times the weights and the largest of them, whatever is laid out on the way.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nativeBuilt } from '../engine/backends/cpu/cpu.ts';
import { charTokenizer } from '../tokenizer/char-tokenizer.ts';
import { exportGguf } from './export-gguf.ts';
import { openExportSource } from './export-source.ts';
import { saveModelFolder } from './formats/hf-folder.ts';
import { architectureOf } from './index.ts';

const place = mkdtempSync(join(tmpdir(), 'tiefsuche-load-'));
after(() => rmSync(place, { recursive: true, force: true }));
const MiB = 2 ** 20, loader = fileURLToPath(new URL('./testing/load-and-measure.ts', import.meta.url));

test('a folder, a GGUF file and f32 weights are loaded within their size', { skip: !existsSync('/proc/self/status') || !nativeBuilt() }, async () => {
  const config = { model_type: 'llama', vocab_size: 12000, hidden_size: 512, intermediate_size: 2048, num_hidden_layers: 8, num_attention_heads: 8, num_key_value_heads: 8, max_position_embeddings: 512, tie_word_embeddings: true, rms_norm_eps: 1e-6 };
  const specs = architectureOf('llama').parameters(config), count = specs.reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0), largest = 12000 * 512;
  const { tokenizerJson, tokenizerConfig } = charTokenizer(['a', 'b'], { tokens: ['<e>', '<u>'], eos: '<e>', unk: '<u>' }), folder = join(place, 'model'), gguf = join(place, 'model.gguf');
  await saveModelFolder(folder, { config, tokenizerJson, tokenizerConfig, tensors: specs.map((s) => ({ name: s.name, shape: s.shape, dtype: 'BF16', data: () => new Float32Array(s.shape.reduce((a, b) => a * b, 1)).fill(0.01) })) });
  const source = openExportSource(folder);
  try { await exportGguf(source, gguf, 'BF16'); } finally { source.close(); }
  for (const [path, precision, bytes] of [[folder, 'file', 2], [gguf, 'file', 2], [gguf, 'f32', 4]] as const) {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', loader, path, precision], { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    const [start, peak] = JSON.parse(stdout) as [number, number], most = (1.1 * count * bytes + largest * bytes) / MiB;
    assert.ok(peak - start >= (0.9 * count * bytes) / MiB, 'the weights themselves are there');
    assert.ok(peak - start <= most, `${path} as ${precision} took ${(peak - start).toFixed(0)} MiB above its start, at most ${most.toFixed(0)} are allowed`);
  }
});
