// The chunks of a streamed answer as they go out. All of them begin and end alike, and nearly all of them hold a piece of
// text and nothing else: those are put together from texts, the others are written as any object is.

import { type ChatChunk, closingFields, toolCall, usageOf } from './chat-response.ts';
import type { ChoiceEnd, EngineDescription, Piece } from './engines/engine.ts';
import { frameOf } from './event-stream.ts';

type ChunkChoice = ChatChunk['choices'][number];

export class ChunkFrames {
  private readonly head: string;
  private readonly tail: string;
  private readonly withUsage: boolean;
  private readonly promptTokens: number;
  private readonly engine: EngineDescription;
  private readonly ends: ChoiceEnd[] = [];
  private readonly called: number[] = [];

  constructor(head: Pick<ChatChunk, 'id' | 'created' | 'model'>, { withUsage, promptTokens, engine }: { withUsage: boolean; promptTokens: number; engine: EngineDescription }) {
    this.head = `${JSON.stringify({ ...head, object: 'chat.completion.chunk' } satisfies Partial<ChatChunk>).slice(0, -1)},"choices":[`;
    this.tail = withUsage ? '],"usage":null}' : ']}';
    this.withUsage = withUsage;
    this.promptTokens = promptTokens;
    this.engine = engine;
  }

  private frame(choice: string, more: object = {}): string {
    const extra = JSON.stringify(more).slice(1, -1);
    return frameOf(`${this.head}${choice}${extra === '' ? this.tail : `${this.tail.slice(0, -1)},${extra}}`}`);
  }

  /** Says who speaks. */
  opening(index: number, more: Pick<ChatChunk, 'seed' | 'truncated'>): string {
    return this.frame(JSON.stringify({ index, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null } satisfies ChunkChoice), more);
  }

  piece({ choice: index, thinking, content, calls, logprobs }: Piece): string {
    if (calls || logprobs) {
      const before = this.called[index] ?? 0, entry = logprobs ? { content: [], reasoning: [], [logprobs.thinking ? 'reasoning' : 'content']: [logprobs.entry] } : null;
      this.called[index] = before + (calls?.length ?? 0);
      const delta = { ...(thinking !== '' && { reasoning_content: thinking, reasoning: thinking }), ...(content !== '' && { content }), ...(calls && { tool_calls: calls.map((call, i) => ({ index: before + i, ...toolCall(call) })) }) };
      return this.frame(JSON.stringify({ index, delta, logprobs: entry as ChunkChoice['logprobs'], finish_reason: null } satisfies ChunkChoice));
    }
    const thought = thinking === '' ? '' : JSON.stringify(thinking), said = content === '' ? '' : `"content":${JSON.stringify(content)}`;
    const delta = thought === '' ? said : `"reasoning_content":${thought},"reasoning":${thought}${said === '' ? '' : `,${said}`}`;
    return `data: ${this.head}{"index":${index},"delta":{${delta}},"logprobs":null,"finish_reason":null}${this.tail}\n\n`;
  }

  end(end: ChoiceEnd): string {
    this.ends[end.choice] = end;
    return this.frame(JSON.stringify({ index: end.choice, delta: {}, logprobs: null, ...closingFields(end, this.promptTokens, this.engine) } satisfies ChunkChoice));
  }

  /** What all choices took together, where that was asked for. */
  usage(): string {
    return this.withUsage ? frameOf(`${this.head}],"usage":${JSON.stringify(usageOf(this.ends, this.promptTokens))}}`) : '';
  }
}
