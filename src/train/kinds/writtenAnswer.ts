/**
 * What of a written text is the answer: the first match of `pattern` (see Generation.answer), its group 1 where it has
 * one, in lower case, without commas within numbers and a full stop after them; the whole text, trimmed, without a
 * pattern; undefined without a match.
 */
export function writtenAnswer(text: string, pattern: string | undefined): string | undefined {
  if (pattern === undefined) return text.trim();
  const match = new RegExp(pattern, 'iu').exec(text);
  if (match === null) return undefined;
  return (match[1] ?? match[0])
    .toLowerCase()
    .replace(/(?<=\d),(?=\d)/g, '')
    .replace(/\.$/, '')
    .trim();
}
