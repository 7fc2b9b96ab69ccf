import { test } from 'node:test';
import assert from 'node:assert/strict';
import { z } from 'zod';
import { formatRecipe, parseRecipe } from './recipe.ts';

const optimizer = z.strictObject({ type: z.enum(['adamw', 'muon']).default('adamw'), learning_rate: z.number().positive() });
const parts = {
  methods: {
    sft: z.strictObject({ steps: z.int().min(1), batch_tokens: z.int().default(4096), optimizer }),
    grpo: z.strictObject({ steps: z.int().min(1), group: z.int().min(2).default(8), tasks: z.array(z.strictObject({ name: z.string(), weight: z.number().default(1) })).min(1) }),
  },
  models: {
    llama: z.strictObject({ hidden_size: z.int().min(1), num_hidden_layers: z.int().min(1).default(2) }),
    deepseek_v3: z.strictObject({ hidden_size: z.int(), q_lora_rank: z.union([z.int(), z.null()]).default(null) }),
  },
};

const good = `# a comment
name: small
why: to see it learn
model:
  type: llama
  hidden_size: 64
stages:
  - method: sft
    steps: 10
    optimizer: {learning_rate: 1e-3}
  - method: grpo
    steps: 5
    tasks: [{name: countdown}]
`;

const message = (text: string, overrides: string[] = []): string => {
  try {
    parseRecipe(text, parts, { name: 'r.yaml', overrides });
  } catch (error) {
    const { message: what, hint, exit } = error as { message: string; hint?: string; exit: number };
    assert.equal(exit, 2);
    return hint === undefined ? what : `${what}\n${hint}`;
  }
  return 'no error';
};

test('defaults are filled in, and types follow the methods', () => {
  const recipe = parseRecipe(good, parts);
  const [first, second] = recipe.stages;
  assert.ok(first?.method === 'sft' && second?.method === 'grpo');
  assert.equal(first.optimizer.learning_rate, 0.001);
  assert.equal(first.optimizer.type, 'adamw');
  assert.equal(second.tasks[0]!.weight, 1);
  assert.deepEqual(recipe.model, { type: 'llama', hidden_size: 64, num_hidden_layers: 2 });
  assert.deepEqual(recipe.checkpoints, { every: 100, keep: { last: 2, best: true } });
  assert.equal(recipe.seed, 1);
});

test('the resolved recipe reads back to itself and does not depend on the order of keys', () => {
  const text = formatRecipe(parseRecipe(good, parts));
  assert.equal(formatRecipe(parseRecipe(text, parts)), text);
  const shuffled = `stages:
  - optimizer: {learning_rate: 0.001}
    steps: 10
    method: sft
  - {tasks: [{name: countdown}], steps: 5, method: grpo}
model: {hidden_size: 64, type: llama}
why: to see it learn
evaluation: {}
name: small
`;
  assert.equal(formatRecipe(parseRecipe(shuffled, parts)), text);
});

test('--set changes values, read as YAML; stages go by number or method', () => {
  const recipe = parseRecipe(good, parts, { overrides: ['stages.0.steps=99', 'stages.grpo.group=16', 'seed=7', 'stages.sft.optimizer.type=muon', 'checkpoints.keep.last=5', 'stages.1.tasks=[{name: a}, {name: b, weight: 2}]'] });
  assert.deepEqual([recipe.stages[0]!.steps, recipe.seed, recipe.checkpoints.keep.last], [99, 7, 5]);
  assert.ok(recipe.stages[1]!.method === 'grpo' && recipe.stages[1].group === 16 && recipe.stages[1].tasks.length === 2);
  const single = good.slice(0, good.indexOf('  - method: grpo'));
  assert.equal(parseRecipe(single, parts, { overrides: ['training.steps=3'] }).stages[0]!.steps, 3);
  assert.match(message(good, ['training.steps=3']), /has 2 stages\nsay which: stages\.sft\.steps or stages\.grpo\.steps/);
  assert.match(message(good, ['stages.grp.steps=3']), /no single stage "grp"/);
  assert.match(message(good, ['stages.7.steps=3']), /no single stage "7"/);
  assert.match(message(good, ['seed']), /expected path=value/);
  assert.match(message(good, ['seed=[1']), /not valid YAML/);
  assert.match(message(good, ['name.x=1']), /no group of keys at name/);
  assert.equal(message(good, ['sed=1']), 'r.yaml:2: sed: there is no such key; did you mean "seed"?');
});

test('each mistake is told with line, path, what was expected and what stands there', () => {
  const cases: [from: string, to: string, expected: string][] = [
    ['steps: 10', 'steps: ten', 'r.yaml:9: stages.0.steps: expected a whole number, got "ten"'],
    ['steps: 10', 'steps: 1.5', 'r.yaml:9: stages.0.steps: expected a whole number, got 1.5'],
    ['steps: 10', 'steps: 0', 'r.yaml:9: stages.0.steps: expected at least 1, got 0'],
    ['learning_rate', 'learnig_rate', 'r.yaml:10: stages.0.optimizer.learning_rate: is missing; expected a number\nr.yaml:10: stages.0.optimizer.learnig_rate: there is no such key; did you mean "learning_rate"?'],
    ['name: countdown', 'nam: countdown', 'r.yaml:13: stages.1.tasks.0.name: is missing; expected a text\nr.yaml:13: stages.1.tasks.0.nam: there is no such key; did you mean "name"?'],
    ['[{name: countdown}]', '[]', 'r.yaml:13: stages.1.tasks: expected a list with at least 1, got []'],
    ['method: grpo', 'method: gpro', 'r.yaml:11: stages.1.method: expected sft or grpo, got "gpro"; did you mean "grpo"?'],
    ['type: llama', 'type: lama', 'r.yaml:5: model.type: expected llama or deepseek_v3, got "lama"; did you mean "llama"?'],
    ['type: llama', 'from: some-run', 'r.yaml:6: model.hidden_size: a model taken `from` elsewhere brings its own configuration; remove this key'],
    ['  type: llama\n', '', 'r.yaml:5: model: expected either `type` (a new model) or `from` (a run or folder to start from)'],
    ['why: to see it learn', 'why: ""', 'r.yaml:3: why: expected a text that is not empty, got ""'],
    ['why: to see it learn\n', '', 'r.yaml:2: why: is missing; expected a text'],
    ['name: small', 'name: ../up', 'r.yaml:2: name: expected a name of letters, digits, ".", "_" and "-", 64 at most, got "../up"'],
    ['name: small', 'name: small\nname: big', 'r.yaml:3: not valid YAML: Map keys must be unique'],
    ['model:\n  type: llama\n  hidden_size: 64', 'model: llama', 'r.yaml:4: model: expected a group of keys, got "llama"'],
    ['  type: llama\n  hidden_size: 64', '  type: deepseek_v3\n  hidden_size: 64\n  q_lora_rank: many', 'r.yaml:7: model.q_lora_rank: expected a whole number or null, got "many"'],
    ['1e-3}', '1e-3, type: adam}', 'r.yaml:10: stages.0.optimizer.type: expected "adamw" or "muon", got "adam"; did you mean "adamw"?'],
    ['name: small', 'name: small\nbuilds_on: &x [a]\ntokenizer: {a: *x}', 'r.yaml:2: aliases (*x) are not used in recipes; write the value out'],
  ];
  for (const [from, to, expected] of cases) {
    assert.ok(good.includes(from), from);
    assert.equal(message(good.replace(from, to)), expected);
  }
  assert.match(message(''), /name: is missing/);
  assert.match(message('- 1'), /expected a group of keys/);
});
