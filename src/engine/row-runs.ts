// Runs of commands whose rows are independent. A backend may take a block of rows through a whole run (output projection,
// residual sum, norm, gate and up, SwiGLU, down, …) while they are in a core's cache, instead of sending every intermediate
// matrix to memory and back; its threads meet once a run. Weights are packed ahead of a run; sums over rows (gradients of
// weights) wait behind it. No value changes: each element is computed by the same kernel from the same operands.
//
// A command joins the open run if it has as many rows, if what it shares with members is the same rows of the same matrix,
// and if it touches nothing that waiting sums still need. Everything else ends the run.

import type { ByRows } from './kernel.ts';
import { kernels } from './ops/index.ts';
import type { Command } from './program.ts';
import { type Storage, type Tensor, bytesPerElement } from './tensor.ts';

export interface RowRun {
  /** Index of the first command, and how each from there on is cut. */
  readonly first: number;
  readonly rows: number;
  readonly members: readonly { /** Attribute 0 for one row. */ readonly unit: number; /** Elements from row to row. */ readonly strides: readonly number[] }[];
}

/** With fewer rows there is nothing to divide. */
const fewestRows = 256;

interface Access { readonly tensor: Tensor; readonly stride: number; readonly write: boolean }
interface Member { readonly original: Command; readonly byRows: ByRows; readonly command: Command; readonly unit: number; readonly strides: readonly number[]; readonly accesses: readonly Access[] }

const overlap = (a: Tensor, b: Tensor): boolean => {
  if (a.storage.buffer === null || b.storage.buffer === null) return a.storage === b.storage;
  return a.storage.buffer === b.storage.buffer && a.storage.offset < b.storage.offset + b.storage.bytes && b.storage.offset < a.storage.offset + a.storage.bytes;
};
const firstByte = ({ tensor }: Access): number => (tensor.storage.buffer === null ? 0 : tensor.storage.offset) + tensor.offset * bytesPerElement[tensor.dtype];

/** The same rows of the same matrix. */
const alignedRows = (a: Access, b: Access): boolean => {
  const [x, y] = [a, b].map((access) => access.stride * bytesPerElement[access.tensor.dtype]) as [number, number];
  return x > 0 && x === y && a.tensor.storage === b.tensor.storage && Math.floor(firstByte(a) / x) === Math.floor(firstByte(b) / y);
};
const collide = (a: Access, b: Access): boolean => (a.write || b.write) && overlap(a.tensor, b.tensor) && !alignedRows(a, b);

/** The same commands, those of a kernel next to each other, as chains of groups that do not write the same tensor. None reads what another writes. */
function inChains(sums: readonly { command: Command; writes: readonly number[] }[]): Command[] {
  const byKernel = new Map<string, typeof sums[number][]>();
  for (const sum of sums) byKernel.set(sum.command.kernel, [...byKernel.get(sum.command.kernel) ?? [], sum]);
  return [...byKernel.values()].flatMap((same) => {
    let group = {}, written: Tensor[] = [];
    return same.map(({ command, writes }) => {
      const own = writes.flatMap((i) => command.tensors[i] ?? []);
      if (own.some((t) => written.some((other) => overlap(t, other)))) [group, written] = [{}, []];
      written.push(...own);
      return { ...command, chain: { group } };
    });
  });
}

function accessesOf(tensors: readonly (Tensor | null)[], strideOf: (i: number) => number, writes: readonly number[]): Access[] {
  const accesses: Access[] = [];
  tensors.forEach((tensor, i) => { if (tensor) accesses.push({ tensor, stride: strideOf(i), write: writes.includes(i) }); });
  return accesses;
}

class OpenRun {
  rows = 0;
  readonly members: Member[] = [];
  readonly waiting: { command: Command; writes: readonly number[]; owner: Command }[] = [];
  /** What members and waiting sums touch, and which storages that is. */
  private readonly touched: Access[] = [];
  private readonly storages = new Set<Storage>();

  /** Whether the command became part of the run. */
  join(original: Command): boolean {
    if (original.chain) return false;
    const byRows = kernels.get(original.kernel)?.byRows?.(original);
    if (!byRows) return false;
    if (byRows.rows) {
      const member = this.memberOf(original, byRows, byRows.rows);
      if (!member || !this.admits(member)) return false;
      this.members.push(member);
      this.touch(member.accesses);
    } else if (this.members.length === 0) return false;
    for (const sum of byRows.after ?? []) {
      this.waiting.push({ ...sum, owner: original });
      this.touch(accessesOf(sum.command.tensors, () => 0, sum.writes));
    }
    return true;
  }

  private memberOf(original: Command, byRows: ByRows, { command, strides, writes, elements = false }: NonNullable<ByRows['rows']>): Member | null {
    const count = command.attributes[0];
    const rows = this.rows > 0 ? this.rows : elements ? command.tensors[writes[0]]!.shape[0] : count;
    if (rows < fewestRows || count % rows !== 0 || (!elements && count !== rows)) return null;
    this.rows = rows;
    const unit = count / rows, perRow = strides.map((s) => s * unit);
    return { original, byRows, command, unit, strides: perRow, accesses: accessesOf(command.tensors, (i) => perRow[i]!, writes) };
  }

  private touch(accesses: readonly Access[]): void {
    for (const access of accesses) {
      this.touched.push(access);
      this.storages.add(access.tensor.storage);
    }
  }

  private admits({ accesses, byRows }: Member): boolean {
    const touched = (t: Tensor): boolean => t.storage.buffer !== null || this.storages.has(t.storage); // planned storages do not lie anywhere yet
    for (const access of accesses) if (touched(access.tensor) && this.touched.some((earlier) => collide(access, earlier))) return false;
    for (const { tensors } of byRows.before ?? []) for (const t of tensors) if (t && touched(t) && this.touched.some((earlier) => earlier.write && overlap(t, earlier.tensor))) return false;
    return true;
  }

  /** Appends the run; one command alone stays as it was. */
  close(ordered: Command[], runs: RowRun[]): void {
    const alone = this.members.length === 1 ? this.members[0].original : null;
    if (alone) ordered.push(alone);
    else {
      ordered.push(...inChains(this.members.flatMap((m) => (m.byRows.before ?? []).map((command) => ({ command, writes: [] })))));
      if (this.members.length > 0) runs.push({ first: ordered.length, rows: this.rows, members: this.members.map(({ unit, strides }) => ({ unit, strides })) });
      ordered.push(...this.members.map((m) => m.command));
    }
    ordered.push(...inChains(this.waiting.filter(({ owner }) => owner !== alone)));
  }
}

/** The commands in an order that makes runs long, and the runs. */
export function findRowRuns(commands: readonly Command[]): { commands: readonly Command[]; runs: readonly RowRun[] } {
  const ordered: Command[] = [], runs: RowRun[] = [];
  let open = new OpenRun();
  for (const command of commands) {
    if (open.join(command)) continue;
    open.close(ordered, runs);
    open = new OpenRun();
    if (!open.join(command)) { ordered.push(command); open = new OpenRun(); }
  }
  open.close(ordered, runs);
  return { commands: ordered, runs };
}
