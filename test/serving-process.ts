// Shared by the tests of the server: `tiefsuche serve` as a process, and models with random weights whose vocabulary has
// all bytes. What such a model says is noise; whatever is right about its answers is the server's doing.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openBackend } from '../src/engine/backends/open.ts';
import { saveLanguageModel, textSide } from '../src/models/language-model.ts';
import { Model } from '../src/models/model.ts';
import { type AuditRecord, readAudit } from '../src/serving/audit.ts';
import { trainTokenizer } from '../src/tokenizer/train.ts';

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

export interface Running { readonly url: string; readonly child: ChildProcess; readonly err: () => string }

const started: ChildProcess[] = [];

/** For `after`: a test that fails leaves its server behind, and that would keep the whole file from ending. */
export function killServers(): void {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
}

/** Starts `tiefsuche serve MODELS ARGS`, ready when it prints its line. */
export async function startServer(home: string, models: readonly string[], args: readonly string[] = [], through: readonly string[] = []): Promise<Running> {
  const [command, ...rest] = [...through, process.execPath, '--import', 'tsx', main, 'serve', ...models, '--port', '0', '--json', ...args];
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TIEFSUCHE_HOME: home } });
  started.push(child);
  let err = '';
  child.stderr!.on('data', (d) => { err += String(d); });
  for await (const line of createInterface({ input: child.stdout! })) return { url: (JSON.parse(line) as { url: string }).url, child, err: () => err };
  throw new Error(`the server did not start: ${err}`);
}

export async function stopServer({ child }: Running): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill('SIGTERM');
  return ((await once(child, 'exit')) as [number | null])[0];
}

/** What a server recorded of its answers. */
export async function recordsIn(home: string): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  for await (const record of readAudit(home)) records.push(record);
  return records;
}

export const qwenTemplate = readFileSync(new URL('data/chat-templates/Qwen-Qwen3-0.6B.jinja', import.meta.url), 'utf8');
export const deepseekTemplate = readFileSync(new URL('data/chat-templates/deepseek-ai-DeepSeek-V3.1.jinja', import.meta.url), 'utf8');
/** As Mistral's version 3, shortened. */
export const mistralTemplate = `{%- if tools %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}
{%- for m in messages %}{% if m.role == 'tool' %}[TOOL_RESULTS] {"content": {{ m.content }}, "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]
{%- elif m.tool_calls %}[TOOL_CALLS] [{% for c in m.tool_calls %}{{ c.function | tojson }}{% endfor %}]</s>
{%- elif m.role == 'assistant' %}{{ m.content }}</s>{% else %}[INST]{{ m.content }}[/INST]{% endif %}{% endfor %}`;

export const specials: readonly string[] = ['<|im_start|>', '<|im_end|>', '<think>', '</think>', '<tool_call>', '</tool_call>', '[TOOL_CALLS]', '[INST]', '[/INST]', '</s>', '<｜User｜>', '<｜Assistant｜>', '<｜end▁of▁sentence｜>',
  '<｜tool▁calls▁begin｜>', '<｜tool▁calls▁end｜>', '<｜tool▁call▁begin｜>', '<｜tool▁call▁end｜>', '<｜tool▁sep｜>'];

/** Writes a small model with random weights to `folder`; its end token is that of the template. */
export async function writeRandomModel(folder: string, template: string, end: string, seed = 1): Promise<void> {
  const texts = ['{"name": "weather", "arguments": {"city": "Köln", "days": 3}}', 'the answer is an object with a name and a number', '"name": "value", "true": false, "null": null'];
  const { tokenizerJson, tokenizerConfig } = await trainTokenizer(Array.from({ length: 4 }, () => texts).flat(), { vocabSize: specials.length + 256 + 60, specialTokens: specials, roles: { eos: end }, chatTemplate: template });
  const text = textSide({ tokenizerJson, tokenizerConfig, chatTemplate: template, generationConfig: {} }), backend = openBackend();
  const config = { model_type: 'llama', vocab_size: text.tokenizer.vocabSize, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 16, intermediate_size: 48, max_position_embeddings: 2048 };
  const model = new Model(backend, config, { trainable: true });
  model.parameters.initialise(seed);
  mkdirSync(join(folder, '..'), { recursive: true });
  await saveLanguageModel(folder, { model, ...text });
  model.close();
  backend.close();
}
