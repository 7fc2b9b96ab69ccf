// Turns ids into text as they are sampled. A token can end inside a character (emoji take four bytes, often two
// tokens), so bytes are held back until the character is whole; what can never become one turns into U+FFFD.

/** Gives the text that became complete with each token. */
export interface StreamDecoder {
  push(id: number): string;
  /** The text still held back; incomplete characters become U+FFFD. */
  flush(): string;
}

/** A stream decoder over a tokenizer's bytes. `stripSpace` drops one space at the very beginning (SentencePiece). */
export function streamDecoder(bytesOf: (id: number) => Uint8Array, stripSpace: boolean): StreamDecoder {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let atStart = stripSpace;
  const give = (text: string): string => {
    if (!atStart || text === '') return text;
    atStart = false;
    return text.startsWith(' ') ? text.slice(1) : text;
  };
  return {
    push: (id) => give(decoder.decode(bytesOf(id), { stream: true })),
    flush: () => give(decoder.decode()),
  };
}
