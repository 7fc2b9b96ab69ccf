// What a person sees of a run: the steps go on being shown behind an evaluation.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TrainEvent } from '../training/train.ts';
import { trainingView } from './training-view.ts';

test('steps are shown from the first on, also behind an evaluation that came before them', async () => {
  const lines: string[] = [], write = process.stderr.write.bind(process.stderr);
  process.stderr.write = ((text: string) => { lines.push(text); return true; }) as typeof write;
  try {
    const view = trainingView(), send = (event: object): void => view(event as TrainEvent);
    send({ type: 'stage', index: 0, method: 'sft', steps: 40 });
    send({ type: 'answers', done: 1, total: 1 });
    send({ type: 'evaluation', step: 0, label: 'before', evaluation: { mean: 0.25, families: [{ task: 'digits', accuracy: 0.25, n: 4, interval: [0, 1], answers: [] }] } });
    for (let i = 1; i <= 24; i++) {
      send({ type: 'step', step: i, stage: 0, method: 'sft', stageStep: i, stageSteps: 40, row: { loss: 1 / i, tokens_per_s: 1000 } });
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  } finally { process.stderr.write = write; }
  const said = lines.join('');
  assert.match(said, /untouched: 25 %\s+digits 25 %/);
  assert.match(said, /reading demonstrations \(SFT\)[\s\S]*\/40 steps[\s\S]*loss 0\.\d/);
});
