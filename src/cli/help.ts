import type { Help } from 'commander';
import { wrapped } from '../wrapped.js';

/** Narrower than this, a description stands below its flag and not beside it. */
const narrowestColumn = 40;

/** An entry of the help: the description beside its term, or below it where there is no room. */
export function helpItem(term: string, termWidth: number, description: string, helper: Help): string {
  const width = helper.helpWidth ?? 80;
  const room = width - termWidth - 4;
  if (description === '') return `  ${term}`;
  if (room >= narrowestColumn) {
    const indent = `\n${' '.repeat(termWidth + 4)}`;
    return `  ${term.padEnd(termWidth)}  ${linesOf(description, room).join(indent)}`;
  }
  return [...hanging(`  ${term}`, width, 4), ...linesOf(description, width - 6).map((line) => `      ${line}`)].join(
    '\n',
  );
}

/** Help whose lines fit: examples go on after a backslash, as a shell reads them. */
export function fittingHelp(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => {
      if (line.length <= width) return [line];
      const lines = line.startsWith('  $ ') ? hanging(line, width - 2, 6) : hanging(line, width, indentOf(line));
      return line.startsWith('  $ ') ? lines.map((one, i) => (i < lines.length - 1 ? `${one} \\` : one)) : lines;
    })
    .join('\n');
}

function linesOf(text: string, width: number): string[] {
  return text.split('\n').flatMap((line) => wrapped(line, width));
}

/** A line that begins with spaces, broken so that what follows is indented by `indent`. */
function hanging(line: string, width: number, indent: number): string[] {
  const start = indentOf(line);
  const [first, ...rest] = wrapped(line.slice(start), width - Math.max(start, indent));
  return [`${' '.repeat(start)}${first}`, ...rest.map((one) => `${' '.repeat(indent)}${one}`)];
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}
