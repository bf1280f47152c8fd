/** Lines of at most `width` columns. Breaks at spaces only: paths and words stay whole, so that they can be copied. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Text for a stream: broken at spaces where it is a terminal, as it is elsewhere, so that programs find whole messages. */
export function fitted(
  text: string,
  { isTTY, columns }: { readonly isTTY?: boolean; readonly columns?: number },
): string {
  if (isTTY !== true || columns === undefined || columns < 1) return text;
  return text
    .split('\n')
    .map((line) => (line.length <= columns ? line : wrapped(line, columns).join('\n')))
    .join('\n');
}
