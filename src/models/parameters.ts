// The weights of a model in one buffer, their gradients in another. Specs stand in the order of the buffer; neighbours
// with the same `group` lie without gaps, so that q, k and v, or gate and up, are one matrix for one product, while
// files and optimisers see them one by one under their Hugging Face names.

import { TiefsucheError, invariant } from '../errors.ts';
import type { Backend } from '../engine/backend.ts';
import type { FilePlace } from '../engine/file-rows.ts';
import { RandomStream } from '../engine/random.ts';
import { cosSin, log } from '../engine/elementary.ts';
import { type DeviceBuffer, type Shape, type Tensor, aligned, fixedTensor, sizeOf } from '../engine/tensor.ts';

/** How a weight is updated: `matrix` by Muon where that is chosen, everything else by AdamW; `buffer` never. */
export type ParameterKind = 'matrix' | 'embedding' | 'head' | 'vector' | 'buffer';

export interface ParameterSpec {
  /** Hugging Face name. */
  readonly name: string;
  readonly shape: Shape;
  readonly kind: ParameterKind;
  /** Standard deviation of the normal distribution it starts from, or its constant value. */
  readonly init: { readonly std: number } | { readonly value: number };
  /** Name of the matrix it is a part of. */
  readonly group?: string;
  /** Never in few bits: it takes part in more than products of a layer's rows. */
  readonly f32?: boolean;
  /** The group has this many stacked matrices (experts): its tensor is (stack, rows, columns). */
  readonly stack?: number;
}

/** Members of a group with the rows at which they begin; a plain weight is its own only member. */
export function membersOf(specs: readonly ParameterSpec[], name: string): { readonly spec: ParameterSpec; readonly row: number }[] {
  let row = 0;
  return specs.filter((s) => s.group === name || s.name === name).map((spec) => {
    const member = { spec, row };
    row += spec.shape[0]!;
    return member;
  });
}

export const largestOf = (specs: readonly ParameterSpec[]): number => Math.max(0, ...specs.map((s) => sizeOf(s.shape)));
export const countOf = (specs: readonly ParameterSpec[]): number => specs.reduce((n, s) => n + (s.kind === 'buffer' ? 0 : sizeOf(s.shape)), 0);

/** Box and Muller, two values at a time. */
function fillNormal(values: Float32Array, random: RandomStream, std: number): void {
  for (let j = 0; j < values.length; j += 2) {
    const radius = std * Math.sqrt(-2 * log(1 - random.uniform())), [c, s] = cosSin(2 * Math.PI * random.uniform());
    values[j] = radius * c;
    if (j + 1 < values.length) values[j + 1] = radius * s;
  }
}

export class Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly weights: DeviceBuffer;
  /** Gradients, laid out like the weights; null for a model that is only read. */
  readonly grads: DeviceBuffer | null;
  private readonly backend: Backend;
  private readonly tensors = new Map<string, Tensor>();
  private readonly places = new Map<string, number>();

  constructor(backend: Backend, specs: readonly ParameterSpec[], options: { trainable: boolean }) {
    this.backend = backend;
    this.specs = specs;
    let end = 0;
    specs.forEach((spec, i) => {
      if (spec.group === undefined || specs[i - 1]?.group !== spec.group) end = aligned(end);
      invariant(!this.places.has(spec.name), `parameter ${spec.name} is declared twice`);
      this.places.set(spec.name, end);
      end += sizeOf(spec.shape) * 4;
    });
    this.weights = backend.allocate(aligned(end));
    this.grads = options.trainable ? backend.allocate(aligned(end)) : null;
    for (const spec of specs) this.tensors.set(spec.name, this.tensorAt(this.places.get(spec.name)!, spec.shape, spec.name, spec.kind !== 'buffer'));
    for (const group of new Set(specs.map((s) => s.group))) if (group !== undefined) this.tensors.set(group, this.groupTensor(group));
  }

  private tensorAt(offset: number, shape: Shape, label: string, trainable: boolean): Tensor {
    const grad = this.grads && trainable ? fixedTensor(this.grads, offset, shape, 'f32', `d ${label}`) : undefined;
    return fixedTensor(this.weights, offset, shape, 'f32', label, grad);
  }

  private groupTensor(group: string): Tensor {
    const members = this.specs.filter((s) => s.group === group);
    const [first] = members as [ParameterSpec];
    const rows = members.reduce((n, s) => n + s.shape[0]!, 0);
    const rest = first.shape.slice(1);
    const shape = first.stack ? [first.stack, rows / first.stack, ...rest] : [rows, ...rest];
    return this.tensorAt(this.places.get(first.name)!, shape, group, first.kind !== 'buffer');
  }

  /** A weight, or a group of them, by name. */
  get(name: string): Tensor {
    const tensor = this.tensors.get(name);
    invariant(tensor, `the model has no parameter ${name}`);
    return tensor;
  }

  has(name: string): boolean { return this.tensors.has(name); }

  /** Values of the largest weight. */
  get largest(): number { return largestOf(this.specs); }

  /** Number of trainable values. */
  count(): number { return countOf(this.specs); }

  /** @param into memory to use again; its beginning is returned */
  read(name: string, into?: Float32Array): Float32Array {
    const t = this.get(name), n = sizeOf(t.shape), values = into?.subarray(0, n) ?? new Float32Array(n);
    this.backend.download(t.storage.buffer!, t.storage.offset, values);
    return values;
  }

  readGrad(name: string): Float32Array {
    const t = this.get(name), values = new Float32Array(sizeOf(t.shape));
    invariant(t.grad, `${name} has no gradient`);
    this.backend.download(t.grad.storage.buffer!, t.grad.storage.offset, values);
    return values;
  }

  write(name: string, values: Float32Array): void {
    const t = this.get(name);
    if (values.length !== sizeOf(t.shape)) {
      throw new TiefsucheError('SHAPE', `weight ${name} has ${values.length} values, the configuration asks for [${t.shape}]`, { hint: 'The weights and config.json do not belong together.' });
    }
    this.backend.upload(t.storage.buffer!, t.storage.offset, values);
  }

  /** Has the backend read a weight out of a file; false where it cannot, or a value is no number. */
  fill(name: string, place: FilePlace): boolean {
    const { storage, shape } = this.get(name), [rows, ...rest] = shape.length === 0 ? [1] : shape;
    return this.backend.fill?.(storage.buffer!, storage.offset, { ...place, rows: rows!, K: sizeOf(rest), first: 0, as: 'f32' }) ?? false;
  }

  /** Fills every weight from its spec. The numbers depend on the seed and the name's place alone. */
  initialise(seed: number): void {
    const memory = new Float32Array(2 ** 16); // an even number
    this.specs.forEach((spec, i) => {
      const { storage, shape } = this.get(spec.name), n = sizeOf(shape), random = new RandomStream(seed, i);
      for (let start = 0; start < n; start += memory.length) {
        const values = memory.subarray(0, n - start);
        if ('value' in spec.init) values.fill(spec.init.value);
        else fillNormal(values, random, spec.init.std);
        this.backend.upload(storage.buffer!, storage.offset + 4 * start, values);
      }
    });
  }

  close(): void {
    this.backend.free(this.weights);
    if (this.grads) this.backend.free(this.grads);
  }
}
