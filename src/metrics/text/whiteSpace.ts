/** What Python's `str.isspace` calls white space; JavaScript's `\s` differs at U+001C…1F, U+0085 and U+FEFF. */
const SPACES = '[\\p{White_Space}\\x1c-\\x1f]+';
const BETWEEN_WORDS = new RegExp(SPACES, 'u');
const AT_THE_END = new RegExp(`${SPACES}$`, 'u');
const AT_THE_START = new RegExp(`^${SPACES}`, 'u');

/** The words of a text, as Python's `str.split()`. */
export function splitWords(text: string): string[] {
  return text.split(BETWEEN_WORDS).filter((word) => word !== '');
}

/** A text without white space at its ends, as Python's `str.strip()`. */
export function trim(text: string): string {
  return trimEnd(text).replace(AT_THE_START, '');
}

/** A text without white space at its end, as Python's `str.rstrip()`. */
export function trimEnd(text: string): string {
  return text.replace(AT_THE_END, '');
}
