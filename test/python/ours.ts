// What tiefsuche makes of texts and conversations, for loads-in-transformers.py: JSON in, JSON out, one model folder.
//   node --import tsx test/python/ours.ts FOLDER < {"texts": […], "conversations": [[message, …], …]}

import { readFileSync } from 'node:fs';
import { openModelFiles } from '../../src/models/load.ts';
import { promptIds, textSide } from '../../src/models/language-model.ts';
import type { ChatMessage } from '../../src/tokenizer/chat-template.ts';

const { texts, conversations } = JSON.parse(readFileSync(0, 'utf8')) as { texts: string[]; conversations: ChatMessage[][] };
const files = openModelFiles(process.argv[2]!), side = textSide(files);
files.close();
console.log(JSON.stringify({
  ids: texts.map((text) => [...side.tokenizer.encode(text)]),
  decoded: texts.map((text) => side.tokenizer.decode(side.tokenizer.encode(text))),
  withoutSpecial: texts.map((text) => side.tokenizer.decode(side.tokenizer.encode(text), { skipSpecial: true })),
  prompts: conversations.map((messages) => side.template!.render(messages, { addGenerationPrompt: messages.at(-1)!.role === 'user' })),
  promptIds: conversations.map((messages) => [...promptIds(side, messages)]),
}));
