// The raw numbers of a model over whole sequences, computed as training computes them.

import { documents } from '../engine/ops/attention.ts';
import { Arena, execute, read } from '../engine/program.ts';
import { Tape } from '../engine/tape.ts';
import { positionsOf } from './loss.ts';
import type { Model } from './model.ts';

/** Logits (T, V) of all positions of the sequences, one after another. */
export async function logitsOf(model: Model, ...sequences: readonly Int32Array[]): Promise<Float32Array> {
  const tape = new Tape({ training: false }), arena = new Arena(model.backend), lengths = sequences.map((s) => s.length);
  const ids = tape.input(Int32Array.from(sequences.flatMap((s) => [...s])), undefined, 'ids');
  const { hidden } = model.forward(tape, { ids, positions: tape.input(positionsOf(lengths), undefined, 'positions'), documents: documents(tape, lengths) });
  const logits = tape.output(model.logits(tape, hidden)), program = tape.finish(arena);
  await execute(program);
  const values = read(program, logits);
  arena.close();
  return values;
}
