// A peer that stays alive and works when told to, so that two engines take turns on one machine in one run.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface PeerAnswer { readonly tokens_per_s: number; readonly other_load: number | null; readonly [field: string]: unknown }

export class Peer {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  readonly ready: Promise<Record<string, unknown>>;

  constructor(command: string, script: string, args: readonly string[]) {
    this.child = spawn(command, [fileURLToPath(new URL(`./peers/${script}`, import.meta.url)), ...args]);
    process.once('exit', () => this.child.kill('SIGKILL')); // broken off, it leaves nothing running
    this.child.stderr.pipe(process.stderr);
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.ready = this.next();
  }

  private async next(): Promise<Record<string, unknown>> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the peer ended; see its messages above');
    return JSON.parse(value) as Record<string, unknown>;
  }

  async ask(job: string): Promise<PeerAnswer> {
    this.child.stdin.write(`${job}\n`);
    return await this.next() as PeerAnswer;
  }

  close(): void { this.child.stdin.end(); }
}
