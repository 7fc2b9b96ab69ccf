// A conversation that does not fit: what is left out, and how little is tried to find that.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { type TextSide, textSide } from '../../models/language-model.ts';
import { openModelFiles } from '../../models/load.ts';
import { fittingPrompt, preparePrompt } from './prompt.ts';
import { requestFor } from './testing/requests.ts';

const files = openModelFiles(fileURLToPath(new URL('../../../test/fixtures/thinker', import.meta.url))), text = textSide(files);
files.close();

test('as few of the oldest turns as must are left out, found with a few tries', () => {
  let rendered = 0;
  const counting: TextSide = { ...text, template: { ...text.template!, render: (...args) => { rendered++; return text.template!.render(...args); } } };
  for (const turns of [1, 2, 3, 8, 60]) {
    const messages = [{ role: 'system', content: 'Monday' }, ...Array.from({ length: turns }, (_, i) => [{ role: 'user', content: `${'7 '.repeat(i % 5)}days?` }, { role: 'assistant', content: 'Friday' }]).flat(), { role: 'user', content: 'Monday' }];
    const request = requestFor('', { messages, truncate: true, maxTokens: 20 }), whole = preparePrompt(text, request).ids.length;
    const lengths = Array.from({ length: turns + 1 }, (_, i) => preparePrompt(text, { ...request, messages: [messages[0]!, ...messages.slice(1 + 2 * i)] }).ids.length);
    for (const context of [25, 60, 100, 200, whole + 19]) {
      rendered = 0;
      const { prompt, dropped } = fittingPrompt(counting, request, context), tries = rendered;
      const room = Math.min(20, Math.ceil(context / 4));
      const fits = lengths.findIndex((n) => n + room <= context), least = fits < 0 ? turns : fits;
      assert.deepEqual([dropped, prompt.ids.length], [2 * least, lengths[least]], `${turns} turns in ${context}`);
      assert.ok(tries <= 2 + Math.ceil(Math.log2(turns + 1)), `${tries} tries for ${turns} turns`);
    }
  }
});
