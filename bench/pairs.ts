// Interleaved pairs: ours, theirs, theirs, ours, …; the ratio of each pair, and the median. Pairs during which others used
// more than 5 % of the machine are discarded, unless nothing would be left: then the ratio by processor time is given.

import { Peer } from './peer.ts';
import { median, statusMiB, timed } from './machine.ts';
import { openTrain } from './train.ts';

export interface Pair { ours: number; theirs: number; load: number; oursCpu: number; theirsCpu: number }

export function summarise(pairs: readonly Pair[]): Record<string, unknown> {
  const quiet = pairs.filter((p) => p.load <= 0.05), used = quiet.length >= 3 ? quiet : pairs;
  const round = (x: number): number => Number(x.toPrecision(4));
  return {
    ratio: round(median(used.map((p) => p.ours / p.theirs))), ratios: used.map((p) => round(p.ours / p.theirs)), ours: round(median(used.map((p) => p.ours))), theirs: round(median(used.map((p) => p.theirs))),
    ratio_by_cpu_time: round(median(pairs.map((p) => p.oursCpu / p.theirsCpu))), pairs: pairs.length, quiet_pairs: quiet.length, busy: quiet.length < 3,
  };
}

export async function takeTurns(pairs: number, ours: () => Promise<{ rate: number; cpuRate: number; load: number | null }>, theirs: () => Promise<{ rate: number; cpuRate: number; load: number | null }>): Promise<Pair[]> {
  const result: Pair[] = [];
  for (let i = 0; i < pairs; i++) {
    const first = await (i % 2 === 0 ? ours() : theirs()), second = await (i % 2 === 0 ? theirs() : ours());
    const [a, b] = i % 2 === 0 ? [first, second] : [second, first];
    result.push({ ours: a.rate, theirs: b.rate, oursCpu: a.cpuRate, theirsCpu: b.cpuRate, load: Math.max(a.load ?? 0, b.load ?? 0) });
  }
  return result;
}

export async function pairTrain(model: string, { threads, python, compile, pairs, lora = 0, microTokens }: { threads: number; python: string; compile: boolean; pairs: number; lora?: number; microTokens?: number | undefined }): Promise<Record<string, unknown>> {
  const peer = new Peer(python, 'train.py', ['--model', model, '--threads', String(threads), ...(compile ? ['--compile'] : []), ...(lora > 0 ? ['--lora', String(lora)] : []), '--serve']);
  const ready = await peer.ready;
  let peerPeak = Number(ready['peak_rss_warmup_mib']);
  const bench = openTrain(model, threads, { lora, microTokens });
  await bench.step();
  await bench.step();
  const result = await takeTurns(pairs, async () => {
    const steps = 2, { seconds, cpuSeconds, otherLoad } = await timed(async () => { for (let i = 0; i < steps; i++) await bench.step(); });
    return { rate: (steps * bench.tokens) / seconds, cpuRate: (steps * bench.tokens) / cpuSeconds, load: otherLoad };
  }, async () => {
    const answer = await peer.ask('2');
    peerPeak = Number(answer['peak_rss_mib']); // since its warm-up, so that compiling does not count
    return { rate: answer.tokens_per_s, cpuRate: (2 * bench.tokens) / Number(answer['cpu_seconds']), load: answer.other_load };
  });
  peer.close();
  const ourPeak = statusMiB('VmHWM'), peerStart = Number(ready['rss_before_model_mib']);
  const summary = {
    what: lora > 0 ? 'lora' : 'train', model, ...(lora > 0 && { lora }), ...(bench.passes > 1 && { passes: bench.passes }), threads, peer: compile ? 'torch.compile' : 'torch eager', isa: bench.backend.info().isa, ...summarise(result),
    peak_rss_mib: Math.round(ourPeak), rss_before_model_mib: Math.round(bench.memory.before), peer_peak_rss_mib: Math.round(peerPeak), peer_rss_before_model_mib: Math.round(peerStart),
    memory_above_start: Number(((ourPeak - bench.memory.before) / (peerPeak - peerStart)).toFixed(3)), memory_ratio: Number((ourPeak / peerPeak).toFixed(3)),
  };
  bench.close();
  return summary;
}
