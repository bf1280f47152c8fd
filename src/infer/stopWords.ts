/** Looks for words that end a text, in pieces of it as they come. */
export interface StopScanner {
  /** What of the text may be given out: not what a stop word may begin with. */
  push(piece: string): string;
  /** What was held back, once no more comes. */
  end(): string;
  /** True once a stop word was found; nothing is given out from it on. */
  readonly found: boolean;
}

/** @param words none of them empty */
export function stopScanner(words: readonly string[]): StopScanner {
  let held = '';
  let found = false;
  return {
    push(piece) {
      if (found) return '';
      held += piece;
      const starts = words.map((word) => held.indexOf(word)).filter((start) => start >= 0);
      if (starts.length > 0) {
        found = true;
        return held.slice(0, Math.min(...starts));
      }
      const kept = Math.max(0, ...words.map((word) => begun(held, word)));
      const given = held.slice(0, held.length - kept);
      held = held.slice(held.length - kept);
      return given;
    },
    end() {
      const rest = found ? '' : held;
      held = '';
      return rest;
    },
    get found() {
      return found;
    },
  };
}

/** Characters at the end of a text that a word begins with. */
function begun(text: string, word: string): number {
  for (let length = Math.min(text.length, word.length - 1); length > 0; length--) {
    if (text.endsWith(word.slice(0, length))) return length;
  }
  return 0;
}
