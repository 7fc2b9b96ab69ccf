// Chains of commands side by side: neighbours in the program that do not touch what the others write, such as the packing
// of a layer's weights, the gradients of its weights, or the update of each weight. A backend may give each chain to a
// thread, which does its commands in order, or do all commands of one kernel as one job; its threads then wait for each
// other once, and not once a command. Whoever records the chains answers for their independence.

import type { Command } from './program.ts';

/** The chain that a command belongs to; chains of one group are independent of each other. */
export interface Chain { readonly group: object }

export interface SideBySide {
  readonly first: number;
  /** How many commands each chain has, from `first` on. */
  readonly lengths: readonly number[];
}

/** How many commands a group has. */
export const commandsOf = ({ lengths }: SideBySide): number => lengths.reduce((a, b) => a + b);

/** The groups of two chains or more. */
export function findSideBySide(commands: readonly Command[]): SideBySide[] {
  const found: SideBySide[] = [];
  for (let i = 0; i < commands.length;) {
    const first = i, group = commands[i]!.chain?.group, lengths: number[] = [];
    let chain: Chain | undefined;
    do {
      if (commands[i]!.chain !== chain) lengths.push(0);
      chain = commands[i++]!.chain;
      lengths[lengths.length - 1]!++;
    } while (group && i < commands.length && commands[i]!.chain?.group === group);
    if (lengths.length > 1) found.push({ first, lengths });
  }
  return found;
}
