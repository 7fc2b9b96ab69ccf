// GPT-2's byte alphabet: every byte has one printable character, so that byte-level BPE vocabularies are plain text.
// The 188 printable Latin-1 bytes stand for themselves, the other 68 take U+0100 onwards in order.
// Source: openai/gpt-2 src/encoder.py (bytes_to_unicode), the convention every byte-level tokenizer.json follows.

const printable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);

/** The character of each byte. */
export const byteCharacters: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
})();

const byteOfCharacter: ReadonlyMap<string, number> = new Map(byteCharacters.map((c, byte) => [c, byte]));

/** The bytes a vocabulary entry stands for, or undefined if it holds a character outside the alphabet. */
export function bytesOfToken(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfCharacter.get(token[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
