// How much of a prompt is read between two tokens of the others: 128 tokens at most, and no more than take a seventh of a
// second, by what the last piece took, so that streams flow on whatever the model.

/** Tokens a piece never exceeds. */
export const longestPiece = 128;
const shortest = 16;
/** While others stream, a piece should not take longer than this. */
const seconds = 0.15;

export class PieceSize {
  private secondsPerToken = 0;

  /** @param others whether anyone streams meanwhile */
  next(others: boolean): number {
    if (!others) return longestPiece;
    const quick = this.secondsPerToken > 0 ? Math.floor(seconds / this.secondsPerToken) : 32;
    return Math.max(shortest, Math.min(longestPiece, quick));
  }

  /** A piece of so many tokens took so long; short ones tell little. */
  took(tokens: number, time: number): void { if (tokens >= shortest) this.secondsPerToken = time / tokens; }
}
