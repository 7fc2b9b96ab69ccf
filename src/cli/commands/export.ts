// `tiefsuche export MODEL --to hf|gguf|peft|ollama`: takes a model anywhere, with a proof that it still says the same.
// Everything is written and proven in a temporary folder beside DIR; what fails the proof never gets the name.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { TiefsucheError } from '../../errors.ts';
import { writeFolderAtomic } from '../../durable-file.ts';
import { openBackend } from '../../engine/backends/open.ts';
import { type Found, llamaCpp, transformersPython } from '../../evaluation/other-engines.ts';
import type { Comparison } from '../../evaluation/parity.ts';
import { type Exported, type ParityProof, proveExport } from '../../evaluation/prove-export.ts';
import { hashOfFile } from '../../file-hash.ts';
import { homeFolder, runsFolder } from '../../home.ts';
import { exportFolder } from '../../models/export-folder.ts';
import { exportGguf, type WrittenGguf } from '../../models/export-gguf.ts';
import { modelfile } from '../../models/export-ollama.ts';
import { openExportSource } from '../../models/export-source.ts';
import { type GgufFormat, ggufFormats } from '../../models/formats/gguf-quantize.ts';
import { writeGgufAdapter } from '../../models/formats/gguf-adapter.ts';
import { type PeftAdapter, readPeftAdapter, savePeftAdapter } from '../../models/formats/peft.ts';
import { licenceFiles, licenceOf, licenceTexts } from '../../models/licence.ts';
import { resolveModelPath } from '../../models/model-path.ts';
import type { Command } from '../command.ts';
import { bytes, table } from '../figures.ts';
import { adapterOption } from '../option-values.ts';
import type { Terminal } from '../terminal.ts';

interface Options { readonly to?: string; readonly format?: string; readonly out?: string; readonly adapter?: string; readonly base?: string; readonly lora?: 'merged' | 'apart'; readonly python?: string; readonly force?: boolean }

/** Fills the folder and says how to prove it. */
interface Written { readonly source: { readonly path: string; readonly adapter?: string | undefined }; readonly exported: Exported; readonly other: Found; readonly gguf?: WrittenGguf; readonly notes: readonly string[]; /** Removes what was made for the proof alone. */ readonly done?: () => void }

export const exportCommand: Command = {
  name: 'export',
  summary: 'take a model anywhere, with a proof that it still says the same',
  description: `Writes a Hugging Face folder, a GGUF file, a PEFT adapter or a GGUF file with an Ollama Modelfile, reads it back,
asks the other engine where one is there (llama.cpp, transformers), and stores what was compared as parity.json.`,
  arguments: [{ name: '<model>', text: 'run name, Hugging Face folder, GGUF file; with --to peft the run or folder of an adapter' }],
  options: [
    { flags: '--to <what>', text: 'what to write', choices: ['hf', 'gguf', 'peft', 'ollama'] },
    { flags: '--format <type>', text: 'type of the weights; F32 by default, Q8_0 for ollama', choices: ggufFormats },
    { flags: '--out <folder>', text: 'where to' },
    { ...adapterOption, text: 'LoRA adapter (PEFT) to merge into the weights' },
    { flags: '--lora <how>', text: 'with --to gguf: merged into the weights, or the adapter apart, for a base that llama.cpp has', choices: ['merged', 'apart'] },
    { flags: '--base <model>', text: 'of an adapter that goes apart: the model it belongs to, if not the one its config names' },
    { flags: '--python <path>', text: 'a Python with transformers, for the proof of hf and peft' },
    { flags: '--force', text: 'keep an export that fails its proof, marked as failed' },
  ],
  reports: true,
  examples: [
    { line: 'tiefsuche export quickstart --to gguf --out quickstart-gguf', text: 'for llama.cpp, in F32' },
    { line: 'tiefsuche export my-run --to ollama --format Q4_K --out mine', text: 'then: ollama create mine -f mine/Modelfile' },
    { line: 'tiefsuche export my-run --to peft --out adapter', text: 'the adapter apart' },
    { line: 'tiefsuche export my-run --to gguf --lora apart --out adapter', text: 'the same for llama.cpp: --lora adapter/my-run.lora.gguf' },
  ],
  async run({ args, options, json, terminal }) {
    const { to, out, force = false } = options as Options;
    if (to === undefined || out === undefined) throw new TiefsucheError('USAGE', to === undefined ? '--to is missing' : '--out is missing', { hint: 'For example: tiefsuche export MODEL --to gguf --out FOLDER' });
    const folder = resolve(out);
    if (existsSync(folder) && !existsSync(join(folder, 'parity.json')) && (!statSync(folder).isDirectory() || readdirSync(folder).length > 0)) {
      throw new TiefsucheError('EXISTS', `${folder} holds something else than an export`, { hint: 'Name a new folder; an earlier export is replaced.' });
    }
    const say = (text: string): void => { if (!json) process.stderr.write(`${terminal.err.dim(text)}\n`); };
    let written: Written | undefined, proof: ParityProof | undefined;
    await writeFolderAtomic(folder, async (place) => {
      written = await writers[to]!(args[0]!, place, options as Options, say);
      for (const [name, text] of Object.entries(to === 'peft' ? licenceFiles(written.source.path) : licenceTexts(written.source.path))) writeFileSync(join(place, name), text); // hf has them
      const backend = openBackend();
      try { proof = await proveExport(backend, written.source, written.exported, written.other, say); } finally { backend.close(); written.done?.(); }
      if (!proof.passed && !force) {
        if (!json) printProof(proof, terminal);
        throw new TiefsucheError('MISMATCH', `the export does not say the same as the model: ${proof.problems.join('; ')}`, { hint: 'Nothing was kept. --force keeps it, marked as failed; please report it, this should not happen.' });
      }
      const { gguf } = written, record = { ...proof, forced: !proof.passed, model: args[0], to, files: await hashes(place), ...(gguf && { tensors: typesOf(gguf), fallbacks: gguf.fallbacks, left_out: gguf.leftOut }), notes: written.notes };
      writeFileSync(join(place, 'parity.json'), `${JSON.stringify(record, null, 2)}\n`);
    });
    if (json) return terminal.print(JSON.stringify({ out: folder, files: readdirSync(folder), passed: proof!.passed, parity: proof, notes: written!.notes }));
    terminal.print(`${terminal.out.bold(folder)}  ${readdirSync(folder).map((f) => `${f} (${bytes(statSync(join(folder, f)).size)})`).join(', ')}`);
    for (const note of written!.notes) terminal.print(`${terminal.out.yellow('note:')} ${note}`);
    printProof(proof!, terminal);
  },
};

const writers: Readonly<Record<string, (model: string, place: string, options: Options, say: (text: string) => void) => Promise<Written>>> = {
  async hf(model, place, { format = 'F32', adapter, python }, say) {
    if (format !== 'F32' && format !== 'F16' && format !== 'BF16') throw new TiefsucheError('USAGE', `a Hugging Face folder is written in F32, F16 or BF16, not ${format}`);
    const path = resolveModelPath(model), source = openExportSource(path, adapter);
    say(`writing a ${format} folder`);
    try { await exportFolder(source, place, format); } finally { source.close(); }
    return { source: { path, adapter }, exported: { path: place, format, exact: format === 'F32' && adapter === undefined }, other: transformersPython(python), notes: [] };
  },
  gguf: (model, place, options, say) => (options.lora === 'apart' ? writeAdapterFile(model, place, options, say) : writeGgufFile(model, place, options, options.format ?? 'F32', say)),
  async ollama(model, place, options, say) {
    const written = await writeGgufFile(model, place, options, options.format ?? 'Q8_0', say), source = openExportSource(written.source.path);
    const { text, noTemplate } = modelfile(source.side, basename(written.exported.path), Number(source.files.config['max_position_embeddings'] ?? 2048), Object.entries(licenceTexts(written.source.path)).find(([n]) => /^LICEN/i.test(n))?.[1] ?? licenceOf(written.source.path) ?? undefined);
    source.close();
    writeFileSync(join(place, 'Modelfile'), text);
    return { ...written, notes: [...written.notes, ...(noTemplate === null ? [] : [`the Modelfile has no TEMPLATE, as ${noTemplate}; Ollama will guess one from the file`])] };
  },
  async peft(model, place, { base, python }) {
    const { folder, adapter, named } = adapterAndBase(model, base);
    const path = resolveModelPath(named), { peft_type: _, base_model_name_or_path: __, r, lora_alpha: alpha, target_modules: ___, ...extra } = adapter.config;
    await savePeftAdapter(place, { baseModel: named, rank: r, alpha, modules: adapter.modules, extra });
    const other: Found = path.endsWith('.gguf') ? { missing: 'the base is a GGUF file; transformers and PEFT need it as a folder (export it with --to hf)' } : transformersPython(python);
    return { source: { path, adapter: folder }, exported: { path, adapter: place, format: 'F32', exact: true }, other, notes: [] };
  },
};

/** An adapter and the name of the model it belongs to. */
function adapterAndBase(model: string, base: string | undefined): { folder: string; adapter: PeftAdapter; named: string } {
  const folder = adapterFolder(model), adapter = readPeftAdapter(folder), named = base ?? adapter.config.base_model_name_or_path;
  if (named === null || named === undefined) throw new TiefsucheError('USAGE', 'the adapter does not name its base model', { hint: 'Give it with --base MODEL.' });
  return { folder, adapter, named };
}

/** The adapter as a GGUF file. It is proven on its base in F32, which is written for that and removed again. */
async function writeAdapterFile(model: string, place: string, { adapter: given, base, format }: Options, say: (text: string) => void): Promise<Written> {
  if (format !== undefined && format !== 'F32') throw new TiefsucheError('USAGE', `an adapter apart is written in F32, not ${format}`);
  const { folder, adapter, named } = given === undefined ? adapterAndBase(model, base) : { ...adapterAndBase(given, model), named: model };
  const path = resolveModelPath(named), source = openExportSource(path), name = given === undefined ? modelName(resolve(model)) : modelName(resolve(given)), temporary = mkdtempSync(join(tmpdir(), 'tiefsuche-base-'));
  const done = (): void => rmSync(temporary, { recursive: true, force: true });
  try {
    const file = join(place, `${name}.lora.gguf`), alpha = adapter.scale * adapter.config.r;
    await writeGgufAdapter(file, source.files.config, adapter, name);
    say(`writing ${modelName(path)} as GGUF, F32, for the proof`);
    const { path: whole } = await exportGguf(source, join(temporary, 'base.gguf'), 'F32', { name: modelName(path) });
    return { source: { path, adapter: folder }, exported: { path: whole, adapter: file, format: 'F32', exact: Math.fround(alpha) === alpha }, other: llamaCpp(), notes: [`for llama.cpp: --model BASE.gguf --lora ${basename(file)}, where BASE is ${named} as GGUF`], done };
  } catch (error) {
    done();
    throw error;
  } finally {
    source.close();
  }
}

async function writeGgufFile(model: string, place: string, { adapter }: Options, format: string, say: (text: string) => void): Promise<Written> {
  const path = resolveModelPath(model), source = openExportSource(path, adapter), name = modelName(path);
  say(`writing ${name} as GGUF, ${format}`);
  try {
    const gguf = await exportGguf(source, join(place, `${name}.${format}.gguf`), format as GgufFormat, { name, licence: licenceOf(path) ?? undefined });
    const notes = [
      ...(gguf.fallbacks.length > 0 ? [`${gguf.fallbacks.length} of ${gguf.tensors.length} tensors have rows that ${format} cannot fill and fell back: ${summary(gguf.fallbacks.map((f) => `${f.type} (rows of ${f.width})`))}`] : []),
      ...(gguf.leftOut.length > 0 ? [`${gguf.leftOut.length} weights of the multi-token prediction modules have no place in a GGUF file and were left out`] : []),
    ];
    return { source: { path, adapter }, exported: { path: gguf.path, format, exact: format === 'F32' && adapter === undefined }, other: llamaCpp(), gguf, notes };
  } finally {
    source.close();
  }
}

const summary = (items: readonly string[]): string => [...new Set(items)].map((item) => `${items.filter((i) => i === item).length} × ${item}`).join(', ');
const typesOf = ({ tensors }: WrittenGguf): Record<string, string> => Object.fromEntries(tensors.map((t) => [t.name, t.type]));

/** A run's own name, or that of the folder or file. */
function modelName(path: string): string {
  const last = basename(path) === 'final' ? basename(dirname(path)) : basename(path);
  return last.replace(/\.gguf$/, '').replace(/\.(F32|F16|BF16|Q\d_[\dK](_[SM])?)$/i, '');
}

function adapterFolder(name: string): string {
  const found = [resolve(name), join(runsFolder(homeFolder()), name, 'adapter')].find((f) => existsSync(join(f, 'adapter_config.json')));
  if (found) return found;
  throw new TiefsucheError('NOT_FOUND', `there is no adapter "${name}"`, { hint: 'Give a run that trained with lora, or a PEFT folder.' });
}

async function hashes(folder: string): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) all[name] = await hashOfFile(join(folder, name));
  return all;
}

function printProof(proof: ParityProof, { out, print }: Terminal): void {
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`, small = (x: number): string => (x === 0 ? '0' : x.toExponential(1));
  const row = (what: string, c: Comparison): string[] => [what, percent(c.top1), small(c.largestMargin), small(c.meanKl), small(c.largestLogitDifference), c.greedy.same ? `same ${c.greedy.tokens} tokens` : `parts at token ${c.greedy.differsAt! + 1}`];
  const right = (title: string) => ({ title, align: 'right' as const });
  print();
  print(table([{ title: `over ${proof.texts.positions} positions` }, right('same top token'), right('largest margin'), right('mean KL'), right('largest logit gap'), { title: 'greedy' }], [
    row(`format loss: ours, before and after ${proof.format}`, proof.formatLoss), ...(proof.engineDifference ? [row(`engine: ours and ${proof.engines[1]}`, proof.engineDifference)] : []),
  ], out.dim));
  print(`chat template ${proof.template === null ? 'none' : proof.template.same ? `the same ${proof.template.bytes} bytes` : out.red('differs')}; token ids ${proof.tokens.same ? `the same ${proof.tokens.count}` : out.red('differ')}`);
  if (proof.missing !== null) print(`${out.yellow('half a proof:')} ${proof.missing}`);
  for (const problem of proof.problems) print(`${out.red('differs:')} ${problem}`);
  print(proof.passed ? out.green(proof.missing === null ? 'proven: it says the same' : 'our half is proven: read back, it says the same') : out.red('not the same'));
}
