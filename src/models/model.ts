// A model: a configuration, its weights on a backend, and the two ways through it: training over packed documents, and
// sampling over a paged cache. Both record the same ops of the architecture's file.

import { TiefsucheError, invariant } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import { scale } from '../engine/ops/add.ts';
import { type Documents, attention } from '../engine/ops/attention.ts';
import { type PagedCache, type PagedRows, attentionCached, cacheAppend } from '../engine/ops/attention-cached.ts';
import { linear, packLinear, packedElements } from '../engine/ops/linear.ts';
import { embedding } from '../engine/ops/embedding.ts';
import { type CompressedWeight, embeddingCompressed, linearCompressed, linearFrozen } from '../engine/ops/linear-compressed.ts';
import { groupedCompressed, groupedFrozen } from '../engine/ops/moe-experts-compressed.ts';
import { type Slots, groupedLinear } from '../engine/ops/moe-experts.ts';
import { rmsNorm } from '../engine/ops/rms-norm.ts';
import { type Rope, ropeTable } from '../engine/rope-table.ts';
import type { Tape } from '../engine/tape.ts';
import { type DeviceBuffer, type Tensor, columns, fixedTensor } from '../engine/tensor.ts';
import type { Architecture, CacheShape, Dimensions, ForwardContext } from './architecture.ts';
import { embedTokens, finalNorm, lmHead } from './blocks.ts';
import type { CompressedWeights, Precision } from './compressed.ts';
import type { ConfigJson } from './config.ts';
import { architectureOf } from './index.ts';
import { type Lora, type LoraConfig, makeLora } from './lora.ts';
import { type ParameterSpec, Parameters, countOf } from './parameters.ts';

export interface ModelOptions {
  readonly trainable?: boolean;
  /** Trains low-rank adapters instead of the weights. */
  readonly lora?: LoraConfig;
  /** Training keeps the input of each layer alone, and computes the rest again on the way back. */
  readonly recompute?: boolean;
  /** MLA samples over cached latents (fast mode); such a model cannot train. */
  readonly absorbed?: boolean;
  /** How weights are held; f32 by default, and always where they train. Beneath adapters that train, few bits compute exactly. */
  readonly precision?: Precision;
  /** Shapes only: no weights are read, to plan memory with. */
  readonly dry?: boolean;
  /** Positions for which rotations are prepared; the configuration's maximum by default. */
  readonly maxPositions?: number;
}

export interface TrainingInput {
  readonly ids: Tensor; // (T) i32
  readonly positions: Tensor; // (T) i32
  readonly documents: Documents;
}

export class Model {
  readonly backend: Backend;
  readonly config: ConfigJson;
  readonly architecture: Architecture;
  readonly dims: Dimensions;
  /** All parameters but the adapters'. */
  readonly specs: readonly ParameterSpec[];
  /** Those that are held in f32. */
  readonly parameters: Parameters;
  readonly lora: Lora | null;
  /** Weights kept in few bits; they are not among `parameters`. */
  readonly compressed: CompressedWeights | null;
  readonly recompute: boolean;
  readonly maxPositions: number;
  /** Keys and values as they are cached. */
  readonly cache: CacheShape;
  private readonly absorbed: boolean;
  private readonly trainable: boolean;
  /** (experts) f32 of each MoE layer: tokens routed to each expert since the last update of the biases. */
  readonly expertCounts: ReadonlyMap<number, Tensor>;
  private readonly table: Tensor;
  private readonly localTable: Tensor;
  private readonly owned: DeviceBuffer[] = [];
  private packed: Map<string, Tensor> | null = null;

  constructor(backend: Backend, config: ConfigJson, options: ModelOptions = {}, compressed: CompressedWeights | null = null) {
    this.backend = backend;
    this.config = config;
    this.architecture = architectureOf(config['model_type']);
    this.dims = this.architecture.dimensions(config);
    this.maxPositions = Math.min(options.maxPositions ?? this.dims.maxPositions, this.dims.maxPositions);
    const trainable = this.trainable = options.trainable ?? false;
    this.recompute = options.recompute ?? false;
    this.absorbed = (options.absorbed ?? false) && this.dims.absorbedCache !== undefined;
    invariant(!(this.absorbed && trainable), 'absorbed attention is for sampling only');
    this.cache = this.absorbed ? this.dims.absorbedCache! : this.dims.cache;
    this.compressed = compressed;
    const specs = this.specs = this.architecture.parameters(config);
    this.parameters = new Parameters(backend, specs.filter((s) => !compressed?.covers(s.name)), { trainable: trainable && !options.lora });
    this.lora = options.lora ? makeLora(backend, specs, options.lora, { trainable }) : null;
    this.table = this.rotations(this.dims.rope);
    this.localTable = this.dims.localRope ? this.rotations(this.dims.localRope) : this.table;
    this.expertCounts = new Map((this.dims.moe?.layers ?? []).map((layer) => [layer, this.fixed([this.dims.moe!.experts], `load of layer ${layer}`)]));
  }

  private fixed(shape: readonly number[], label: string): Tensor {
    const buffer = this.backend.allocate(shape.reduce((a, b) => a * b, 4));
    this.owned.push(buffer);
    return fixedTensor(buffer, 0, shape, 'f32', label);
  }

  private rotations(rope: Rope): Tensor {
    const table = this.fixed([this.maxPositions, rope.dim], 'rotations');
    this.backend.upload(table.storage.buffer!, 0, ropeTable(this.maxPositions, rope));
    return table;
  }

  private get headName(): string { return this.dims.tied ? embedTokens : lmHead; }

  /** Weight of the output head: its own, or the embedding's. */
  get head(): Tensor | CompressedWeight {
    const kept = this.compressed?.get(this.headName);
    if (kept && this.trainable) return kept;
    if (kept) throw new TiefsucheError('UNSUPPORTED', 'a model in few bits cannot be trained or give a loss', { hint: 'Open it with precision f32, or train adapters on it.' });
    return this.parameters.get(this.headName);
  }

  private embed(tape: Tape, ids: Tensor): Tensor {
    const kept = this.compressed?.get(embedTokens);
    return kept ? embeddingCompressed(tape, ids, kept) : embedding(tape, ids, this.parameters.get(embedTokens));
  }

  private linear(tape: Tape, x: Tensor, name: string): Tensor {
    const biasName = name.endsWith('.weight') ? name.replace(/weight$/, 'bias') : `${name}.bias`;
    const bias = this.parameters.has(biasName) ? this.parameters.get(biasName) : null;
    const kept = this.compressed?.get(name);
    const y = kept ? this.overFewBits(tape, x, kept, bias) : linear(tape, x, this.parameters.get(name), { bias, packed: tape.training ? undefined : this.packed?.get(name) });
    for (const adapter of this.lora?.of(name) ?? []) {
      const low = scale(tape, linear(tape, x, adapter.a), this.lora!.scaling);
      linear(tape, low, adapter.b, { into: columns(y, adapter.row, adapter.rows) });
    }
    return y;
  }

  /** Exactly where adapters train, so that what is sampled is what is trained; else fast. */
  private overFewBits(tape: Tape, x: Tensor, w: CompressedWeight, bias: Tensor | null = null): Tensor {
    return this.trainable ? linearFrozen(tape, x, w, bias) : linearCompressed(tape, x, w, bias);
  }

  private grouped(tape: Tape, x: Tensor, name: string, slots: Slots): Tensor {
    const kept = this.compressed?.get(name);
    if (!kept) return groupedLinear(tape, x, this.parameters.get(name), slots);
    return this.trainable ? groupedFrozen(tape, x, kept, slots) : groupedCompressed(tape, x, kept, slots);
  }

  private context(tape: Tape, rest: Pick<ForwardContext, 'positions' | 'attend' | 'countExperts' | 'auxiliaryLoss'> & { documents?: Documents }): ForwardContext {
    return { tape, absorbed: this.absorbed, ropeTable: this.table, localRopeTable: this.localTable, weight: (name) => this.parameters.get(name), embed: (ids) => this.embed(tape, ids), linear: (x, name) => this.linear(tape, x, name), grouped: (x, name, slots) => this.grouped(tape, x, name, slots), ...rest };
  }

  /** Records the forward pass over packed documents → hidden states after the final norm (T, C), and those of the MTP modules. */
  forward(tape: Tape, input: TrainingInput, options: { nextIds?: readonly Tensor[] } = {}): { hidden: Tensor; ahead: Tensor[]; auxiliary: Tensor[] } {
    const auxiliary: Tensor[] = [];
    const context = this.context(tape, {
      positions: input.positions,
      documents: input.documents,
      attend: (_, q, k, v, shape) => attention(tape, q, k, v, input.documents, shape),
      countExperts: (layer, offsets) => { if (tape.training && !tape.isAgain) tape.emit('moeCount', [offsets, this.expertCounts.get(layer)!], [this.dims.moe!.experts]); },
      auxiliaryLoss: (_, values) => { if (!tape.isAgain) auxiliary.push(tape.output(values)); },
    });
    const hidden = this.finish(context, this.architecture.layers(context, this.config, context.embed(input.ids)));
    const ahead = options.nextIds?.length ? this.architecture.predictAhead!(context, this.config, hidden, options.nextIds) : [];
    return { hidden, ahead, auxiliary };
  }

  /** Records one pass of rows through the cache → hidden states after the final norm (R, C); null where only the cache matters. */
  decode(tape: Tape, ids: Tensor, rows: PagedRows, caches: readonly PagedCache[]): Tensor {
    const context = this.context(tape, {
      positions: rows.rowPos,
      attend: (layer, q, k, v, shape) => {
        cacheAppend(tape, k, v, caches[layer]!, rows, shape);
        return attentionCached(tape, q, caches[layer]!, rows, shape);
      },
      countExperts: () => {},
      auxiliaryLoss: () => {},
    });
    return this.finish(context, this.architecture.layers(context, this.config, context.embed(ids)));
  }

  private finish(context: ForwardContext, x: Tensor): Tensor {
    return rmsNorm(context.tape, x, this.parameters.get(finalNorm), this.dims.normEps, this.dims.normOffset);
  }

  /** Records hidden (R, C) → logits (R, V). */
  logits(tape: Tape, hidden: Tensor): Tensor {
    const kept = this.compressed?.get(this.headName);
    return kept ? this.overFewBits(tape, hidden, kept) : linear(tape, hidden, this.parameters.get(this.headName), { packed: this.packed?.get('head') });
  }

  /** Names of everything that `linear` multiplies with, groups as one. */
  private linearNames(): string[] {
    const names = this.parameters.specs.filter((s) => s.shape.length === 2 && !s.stack && s.kind !== 'embedding' && s.name !== lmHead).map((s) => s.group ?? s.name);
    return [...new Set(names)];
  }

  /** Weights that sampling reads from a packed copy: all that are f32, by the name of the copy. */
  private packable(): (readonly [string, Tensor])[] {
    const head = this.compressed?.covers(this.headName) ? [] : [['head', this.parameters.get(this.headName)] as const];
    return [...this.linearNames().map((n) => [n, this.parameters.get(n)] as const), ...head];
  }

  /** Bytes of the second copy of the weights that sampling reads. */
  packedBytes(): number {
    return this.packable().reduce((sum, [, w]) => sum + packedElements(w.shape[0]!, w.shape[1]!) * 4, 0);
  }

  /** Records the copying of all weights into `memory` from `offset` on (packedBytes), for sampling until `unpack`. */
  pack(tape: Tape, memory: DeviceBuffer, offset = 0): void {
    invariant(memory.bytes >= offset + this.packedBytes(), 'not enough memory for packed weights');
    const packed = new Map<string, Tensor>();
    for (const [name, w] of this.packable()) {
      const tensor = fixedTensor(memory, offset, [packedElements(w.shape[0]!, w.shape[1]!)], 'f32', `packed ${name}`);
      offset += tensor.storage.bytes;
      packLinear(tape, w, tensor);
      packed.set(name, tensor);
    }
    this.packed = packed;
  }

  /** Forgets the copies; to be called before the weights change. */
  unpack(): void { this.packed = null; }

  /** Number of trained values, the adapters' not among them. */
  countParameters(): number { return countOf(this.specs); }

  /** Parameters that take part in one token's computation: of the experts only the chosen ones. */
  activeParameters(): number {
    const experts = this.dims.moe?.experts ?? 0, topk = Number(this.config['num_experts_per_tok'] ?? 0);
    return this.specs.reduce((n, s) => {
      const size = s.kind === 'buffer' ? 0 : s.shape.reduce((a, b) => a * b, 1);
      return n + (s.stack && experts > 0 ? (size * topk) / experts : size);
    }, 0);
  }

  close(): void {
    this.parameters.close();
    this.lora?.close();
    this.compressed?.close();
    for (const buffer of this.owned) this.backend.free(buffer);
  }
}

