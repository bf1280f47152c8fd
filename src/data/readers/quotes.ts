/** A quote of a CSV file that does not close as it should. */
export interface BrokenQuote {
  /** The line that it opens on, from 1. */
  readonly line: number;
  /** Where another quote would close it, and what follows that; undefined where the file ends within it. */
  readonly closed?: { readonly line: number; readonly before: string } | undefined;
}

/**
 * The first quote at the beginning of a cell that no quote at the end of a cell closes; undefined where there is none. A parser tells where it
 * gave up, which may be many lines later.
 *
 * @param text with line ends that are `\n`
 */
export function brokenQuote(text: string, delimiter: string): BrokenQuote | undefined {
  let [line, opened, isStart] = [1, 0, true];
  for (let i = 0; i < text.length; i++) {
    const letter = text[i]!;
    if (letter === '\n') line++;
    if (opened === 0) {
      if (letter === '"' && isStart) opened = line;
      isStart = letter === delimiter || letter === '\n';
    } else if (letter === '"') {
      if (text[i + 1] === '"') i++;
      else if (i + 1 < text.length && text[i + 1] !== delimiter && text[i + 1] !== '\n') {
        return { line: opened, closed: { line, before: text.slice(i + 1, i + 16).split('\n')[0]! } };
      } else opened = 0;
    }
  }
  return opened === 0 ? undefined : { line: opened };
}
