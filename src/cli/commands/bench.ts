// `tiefsuche bench`: what this machine can do, and what our engine makes of it: the two roofs, training and sampling of a
// model like the quickstart's. Comparisons with other engines are in bench/ of the repository.
import { openBackend } from '../../engine/backends/open.ts';
import { fmaPeak, readBandwidth } from '../../engine/speed.ts';
import { Arena } from '../../engine/program.ts';
import { Model } from '../../models/model.ts';
import { Rollout } from '../../reasoning/rollout.ts';
import { packBatches } from '../../training/batches.ts';
import { Updater } from '../../training/updater.ts';
import type { Command } from '../command.ts';
import { si } from '../figures.ts';

const config = {
  model_type: 'llama', vocab_size: 170, hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 352, max_position_embeddings: 256, tie_word_embeddings: false,
};

export const bench: Command = {
  name: 'bench',
  summary: 'how fast this machine trains and samples',
  reports: true,
  examples: [{ line: 'tiefsuche bench', text: 'takes about ten seconds' }],
  async run({ json, terminal }) {
    const backend = openBackend(), { name, isa, threads } = backend.info(), native = name === 'cpu';
    const peak = native ? await fmaPeak(backend, 3) : NaN, bandwidth = native ? await readBandwidth(backend, 2) : NaN;
    const model = new Model(backend, config, { trainable: true }), arena = new Arena(backend);
    model.parameters.initialise(1);
    const updater = new Updater(model, arena, { adamw: { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 }, clip: 1 });
    const examples = Array.from({ length: 32 }, (_, e) => ({ ids: Int32Array.from({ length: 65 }, (__, i) => (e * 31 + i * 7) % 170), from: 1 }));
    const batches = packBatches(examples, { coefficient: 1 / 2048, limits: { tokens: 8192 } });
    let flop = 0, steps = 0;
    const begun = performance.now();
    do { flop += (await updater.update(batches, ++steps, 1)).flops.model; } while (performance.now() - begun < 3000);
    const trainSeconds = (performance.now() - begun) / 1000;
    updater.close();
    const rollout = new Rollout(model, arena, { maxRows: 192, maxTokens: 96 });
    await rollout.refresh();
    const sampling = performance.now();
    let sampled = 0;
    do {
      const out = await rollout.generate(Array.from({ length: 192 }, (_, i) => ({ prompt: Int32Array.from([1, i % 170, 2]), maxNew: 64, streams: [i] })),
        { stops: [], settings: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 } });
      sampled += out.flat().reduce((n, c) => n + c.tokens.length, 0);
    } while (performance.now() - sampling < 3000);
    const result = {
      backend: name, isa, threads, fma_peak_gflops: native ? Math.round(peak / 1e9) : null, read_gb_per_s: native ? Number((bandwidth / 1e9).toFixed(1)) : null, parameters: model.parameters.count(),
      train_tokens_per_s: Math.round((steps * 2048) / trainSeconds), train_gflops: Number((flop / trainSeconds / 1e9).toFixed(1)), sample_tokens_per_s: Math.round(sampled / ((performance.now() - sampling) / 1000)),
    };
    if (json) terminal.print(JSON.stringify(result));
    else {
      terminal.print(`${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}${native ? `: ${result.fma_peak_gflops} GFLOP/s of fused multiply-adds, ${result.read_gb_per_s} GB/s read from memory` : ''}`);
      terminal.print(`a model of ${si(result.parameters)} parameters (the quickstart's size): trains ${si(result.train_tokens_per_s)} tokens/s (${result.train_gflops} GFLOP/s), samples ${si(result.sample_tokens_per_s)} tokens/s`);
    }
    rollout.close();
    arena.close();
    model.close();
    backend.close();
  },
};
