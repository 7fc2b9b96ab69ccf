// The other side of a parity proof, as a child process that answers one JSON request (engines/llama/evaluate.js,
// engines/transformers/evaluate.py): llama.cpp where its engine folder is installed, transformers where a Python has it.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { TiefsucheError } from '../errors.ts';
import type { Questions, Side } from './parity.ts';

const engines = fileURLToPath(new URL('../../engines/', import.meta.url));
export const llamaFolder = join(engines, 'llama');
export const llamaInstalled = (): boolean => existsSync(join(llamaFolder, 'node_modules', 'node-llama-cpp'));

/** What llama.cpp can serve on beside the processor. */
export const gpus = ['cuda', 'vulkan'] as const;
export type Gpu = (typeof gpus)[number];

// Beside its packages: who removes them forgets the choice, too.
const gpuFile = join(llamaFolder, 'node_modules', '.tiefsuche-gpu.json');

/** Null: the processor. */
export function chosenGpu(): Gpu | null {
  if (!existsSync(gpuFile)) return null;
  const { gpu } = JSON.parse(readFileSync(gpuFile, 'utf8')) as { gpu?: unknown };
  return gpus.find((known) => known === gpu) ?? null;
}

export const rememberGpu = (gpu: Gpu | null): void => (gpu === null ? rmSync(gpuFile, { force: true }) : writeFileSync(gpuFile, `${JSON.stringify({ gpu })}\n`));

/** Runs a model, or an adapter on its base. */
export type Found = { readonly run: (model: string, questions: Questions, base?: string) => Promise<Side> } | { readonly missing: string };

export function llamaCpp(): Found {
  if (!llamaInstalled()) return { missing: 'llama.cpp is not installed; `tiefsuche engine install llama` puts it there (85 MB)' };
  return { run: (model, questions, base) => evaluate(process.execPath, [join(llamaFolder, 'evaluate.js')], { model: base ?? model, lora: base === undefined ? null : model }, questions) };
}

/** @param named the Python to use; TIEFSUCHE_PYTHON and python3 are looked at otherwise */
export function transformersPython(named?: string): Found {
  const candidates = named !== undefined ? [named] : [process.env['TIEFSUCHE_PYTHON'], 'python3'].filter((p): p is string => p !== undefined && p !== '');
  for (const python of candidates) {
    const { status } = spawnSync(python, ['-c', 'import importlib.util as u, sys; sys.exit(0 if u.find_spec("transformers") and u.find_spec("torch") else 3)'], { stdio: 'ignore' });
    if (status === 0) return { run: (model, questions, base) => evaluate(python, [join(engines, 'transformers', 'evaluate.py')], { model, base: base ?? null }, questions) };
  }
  if (named !== undefined) throw new TiefsucheError('NOT_FOUND', `${named} is no Python with transformers and torch`, { hint: 'Give the python of an environment that has both, or leave --python out.' });
  return { missing: 'no Python with transformers was found; name one with --python or TIEFSUCHE_PYTHON' };
}

const ids = z.array(z.int());
const answerSchema = z.object({ engine: z.string(), vocab: z.int(), texts: z.array(ids), template: z.string().nullable(), greedy: ids, ends: ids, end: z.int().nullable(), framed: ids, chat: ids.nullable() });

const unusable = (why: string): TiefsucheError => new TiefsucheError('MISMATCH', `the other engine could not use the export: ${why}`, { hint: 'Please report what the engine said.' });

/** @throws MISMATCH: the engine cannot load the model, or answers something else than was asked */
async function evaluate(command: string, args: readonly string[], which: Readonly<Record<string, unknown>>, { asked, ids: sequences, prompt, maxNew, messages, conversation }: Questions): Promise<Side> {
  const place = mkdtempSync(join(tmpdir(), 'tiefsuche-parity-')), file = join(place, 'logits.f32');
  try {
    const request = { ...which, texts: asked, ids: sequences, prompt, maxNew, logits: file, messages: conversation === null ? null : messages };
    const { data: answer, error } = answerSchema.safeParse(JSON.parse(await answerOf(command, args, JSON.stringify(request))));
    if (!answer) throw unusable(`its answer is incomplete (${error.issues[0]!.path.join('.')}: ${error.issues[0]!.message})`);
    const bytes = readFileSync(file), logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    return { ...answer, template: answer.template ?? undefined, logits };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

function answerOf(command: string, args: readonly string[], request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1' } });
    let out = '', err = '';
    child.stdout.on('data', (d: Buffer) => { out += d.toString(); });
    child.stderr.on('data', (d: Buffer) => { err = (err + d.toString()).slice(-4000); });
    child.stdin.on('error', () => { /* it ended before it read; its status says so */ });
    child.on('error', reject);
    child.on('close', (status) => {
      const last = out.trim().split('\n').at(-1) ?? '';
      if (status === 0 && last.startsWith('{')) resolve(last);
      else reject(unusable(err.trim().split('\n').slice(-3).join(' ') || `it ended with status ${status}`));
    });
    child.stdin.end(request);
  });
}
