// `tiefsuche doctor`: what this machine has, and what follows from it for training, chatting and measuring.
import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { buildLine } from '../../engine/backends/cpu/addon-path.ts';
import { freeDiskBytes } from '../../durable-file.ts';
import { homeFolder } from '../../home.ts';
import type { RunStart } from '../../ledger/events.ts';
import { openEnergyMeter } from '../../ledger/meters/index.ts';
import { readPrices } from '../../ledger/prices.ts';
import type { Command, CommandContext } from '../command.ts';
import { bytes, table, wrap } from '../figures.ts';
import { askAddon, findCompiler, machineFacts, type Addon, type Compiler, type Machine } from '../machine.ts';

type Verdict = 'good' | 'limited' | 'bad';

interface Finding {
  topic: string;
  verdict: Verdict;
  /** What is there. */
  has: string;
  /** What follows from it, or what to do; empty when nothing does. */
  so: string;
}

export const doctor: Command = {
  name: 'doctor',
  summary: 'what this machine has, what will work on it and what not',
  reports: true,
  examples: [
    { line: 'tiefsuche doctor', text: 'look at this machine' },
    { line: 'tiefsuche doctor --json', text: 'the same for a bug report' },
  ],
  run: ({ json, terminal }) => {
    const machine = machineFacts();
    const addon = askAddon();
    const compiler = findCompiler();
    const home = homeFolder();
    const energy = openEnergyMeter({ watts: readPrices(home).watts });
    energy.close();
    const findings = [
      processor(machine), instructions(machine), kernels(addon, compiler), memory(machine), disk(home), nodeVersion(machine), meter(energy.description),
    ];
    const works = abilities(machine, addon);
    if (json) terminal.print(JSON.stringify({ machine, addon: typeof addon === 'string' ? { broken: addon } : addon, compiler, home, meters: energy.description, findings, works }, null, 2));
    else printFindings(findings, works, terminal);
    return findings.some((f) => f.verdict === 'bad') ? 1 : 0;
  },
};

function processor(m: Machine): Finding {
  const cores = m.cores === null ? '' : `${m.cores} ${m.cores === 1 ? 'core' : 'cores'}, `;
  const limited = m.quota !== null && m.quota < m.usableProcessors;
  return {
    topic: 'processor', verdict: limited ? 'limited' : 'good',
    has: `${m.cpu} (${cores}${m.usableProcessors} usable ${m.usableProcessors === 1 ? 'thread' : 'threads'})`,
    so: limited ? `a container allows the time of ${m.quota} processors; set TIEFSUCHE_THREADS=${Math.max(1, Math.floor(m.quota!))}` : '',
  };
}

function instructions(m: Machine): Finding {
  const fma = m.arch === 'arm64' || m.instructions.includes('FMA');
  const has = m.instructions.join(', ') || 'not told by this system';
  if (m.instructions.length === 0 && m.platform === 'win32') return { topic: 'instructions', verdict: 'good', has, so: '' };
  return { topic: 'instructions', verdict: fma ? 'good' : 'limited', has, so: fma ? '' : 'without fused multiply-add only fast mode works: no exact replay' };
}

function kernels(addon: Addon | string | null, compiler: Compiler | null): Finding {
  const topic = 'native kernels';
  if (addon !== null && typeof addon !== 'string') {
    return { topic, verdict: 'good', has: `${addon.kernels} kernels, ${addon.isa} (also ${addon.isas.filter((i) => i !== addon.isa).join(', ') || 'nothing else'}), ${addon.threads} threads`, so: '' };
  }
  const what = addon === null ? 'not built' : `built, but: ${addon}`;
  if (compiler) return { topic, verdict: 'limited', has: `${what}; ${compiler.version}`, so: `run \`${buildLine}\`` };
  return { topic, verdict: 'limited', has: `${what}; no C++ compiler`, so: `training is many times slower without; ${compilerHint()}` };
}

function compilerHint(): string {
  if (process.platform === 'darwin') return `run \`xcode-select --install\`, then \`${buildLine}\``;
  if (process.platform === 'win32') return `run \`winget install LLVM.LLVM\`, then \`${buildLine}\``;
  return `run \`sudo apt install g++\` (or dnf install gcc-c++, apk add g++), then \`${buildLine}\``;
}

function memory(m: Machine): Finding {
  const verdict = m.freeBytes < 1e9 ? 'bad' : m.freeBytes < 2e9 ? 'limited' : 'good';
  return { topic: 'memory', verdict, has: `${bytes(m.freeBytes)} free of ${bytes(m.memoryBytes)}`, so: verdict === 'good' ? '' : 'the quickstart wants 1 GiB; close other programs first' };
}

function disk(home: string): Finding {
  const free = freeDiskBytes(home);
  let existing = home;
  while (!existsSync(existing)) existing = dirname(existing);
  try {
    accessSync(existing, constants.W_OK);
  } catch {
    return { topic: 'disk', verdict: 'bad', has: `${home} cannot be written`, so: 'point TIEFSUCHE_HOME to a folder you own' };
  }
  return { topic: 'disk', verdict: free < 5e8 ? 'bad' : free < 3e9 ? 'limited' : 'good', has: `${bytes(free)} free for ${home}`, so: free < 3e9 ? 'move the state elsewhere with TIEFSUCHE_HOME' : '' };
}

function nodeVersion(m: Machine): Finding {
  const [major = 0, minor = 0] = m.node.slice(1).split('.').map(Number);
  const fine = major > 20 || (major === 20 && minor >= 19);
  return { topic: 'Node', verdict: fine ? 'good' : 'bad', has: m.node, so: fine ? '' : '20.19 or newer is needed' };
}

function meter({ used, refused }: RunStart['meters']): Finding {
  const [first] = used;
  const why = refused.map((r) => `${r.name}: ${r.reason}`).join('; ');
  if (first?.grade === 'measured') return { topic: 'energy', verdict: 'good', has: `measured by ${first.name}: ${first.covers}`, so: '' };
  return { topic: 'energy', verdict: 'limited', has: `estimated: ${first?.formula}`, so: why };
}

function abilities(m: Machine, addon: Addon | string | null): { what: string; verdict: Verdict; note: string }[] {
  const native = addon !== null && typeof addon !== 'string';
  const exact = native && addon.fma;
  const fits = (needed: number): Verdict => (m.freeBytes >= needed ? 'good' : 'bad');
  return [
    { what: 'train the quickstart', verdict: native ? fits(1e9) : 'limited', note: native ? '' : 'slow: no native kernels' },
    { what: 'train exactly, replay a run bit for bit', verdict: exact ? 'good' : 'bad', note: exact ? '' : native ? 'no fused multiply-add' : 'needs the native kernels' },
    { what: 'chat with a model of 135 M parameters', verdict: fits(1.5e9), note: native ? '' : 'slow: no native kernels' },
    { what: 'train LoRA on a model of 135 M parameters', verdict: native ? fits(4e9) : 'bad', note: m.freeBytes < 4e9 ? 'wants 4 GB of free memory' : native ? '' : 'needs the native kernels' },
  ];
}

function printFindings(findings: readonly Finding[], works: ReturnType<typeof abilities>, { out, print, width }: CommandContext['terminal']): void {
  const mark = { good: out.green('✓'), limited: out.yellow('~'), bad: out.red('✗') };
  const indent = 4 + Math.max(...findings.map((f) => f.topic.length)) + 2;
  for (const { topic, verdict, has, so } of findings) {
    const lines = [...wrap(has, width - indent), ...(so === '' ? [] : wrap(so, width - indent).map(out.dim))];
    print(lines.map((line, i) => (i === 0 ? `${mark[verdict]} ${topic.padEnd(indent - 2)}${line}` : `${' '.repeat(indent)}${line}`)).join('\n'));
  }
  print(`\n${out.bold('What will work here')}`);
  print(table([{ title: '' }, { title: '' }, { title: '' }], works.map((w) => [mark[w.verdict], w.what, out.dim(w.note)])));
}
