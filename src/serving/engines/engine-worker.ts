// The thread in which a model of ours lives: our engine, with the weights and cache of one model.

import { openBackend } from '../../engine/backends/open.ts';
import { openLanguageModel } from '../../models/language-model.ts';
import type { Model } from '../../models/model.ts';
import { poolingOf } from '../../models/pooling.ts';
import { Batch } from './batch.ts';
import { largestContext, runWorker } from './worker-loop.ts';

/** All of them, those held in few bits too. */
function parametersOf({ architecture, config }: Model): number {
  return architecture.parameters(config).filter((s) => s.kind !== 'buffer').reduce((n, s) => n + s.shape.reduce((a, b) => a * b, 1), 0);
}

await runWorker(async ({ path, precision, adapter, slots, context: asked, cacheBytes, cache: type }) => {
  const backend = openBackend(), language = openLanguageModel(backend, path, { absorbed: true, precision, adapter }), { model } = language;
  const context = Math.min(asked ?? largestContext, model.maxPositions), cache = type ?? 'f32', batch = new Batch(model, { slots, maxTokens: context, cacheBytes, cache });
  await batch.open();
  const { name, isa, threads } = backend.info(), pooling = poolingOf(path);
  return {
    text: language, vocab: model.dims.vocab, context, batch,
    description: { engine: 'tiefsuche', architecture: String(model.config['model_type']), parameters: parametersOf(model), precision, cache, embedding: pooling && !('refused' in pooling) ? { ...pooling, size: model.dims.channels } : pooling, machine: `${name} ${isa}, ${threads} threads` },
    close() {
      batch.close();
      model.close();
      backend.close();
    },
  };
});
