import { test } from 'node:test';
import assert from 'node:assert/strict';
import { knownTags } from '../../reasoning/thinking.ts';
import { TagRemover } from './tag-remover.ts';

test('channels of gpt-oss go, when a model answers without a thought, too', () => {
  const remover = new TagRemover(knownTags.find(({ open }) => open.includes('channel'))), text = '<|channel|>final<|message|>It is <|x|> 8<|end|>';
  let out = '';
  for (const piece of text) out += remover.push(piece);
  assert.equal(out + remover.end(), 'It is <|x|> 8');
});

test('tags go, however they are cut; what only looks like one stays', () => {
  const text = 'a <b> 5 < 7</think> and<think> so <thi';
  for (let at = 0; at <= text.length; at++) for (let second = at; second <= text.length; second++) {
    const remover = new TagRemover();
    const out = remover.push(text.slice(0, at)) + remover.push(text.slice(at, second)) + remover.push(text.slice(second)) + remover.end();
    assert.equal(out, 'a <b> 5 < 7 and so <thi');
  }
});
