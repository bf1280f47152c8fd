import { DiffoError } from '../../errors.js';
import { placeOf, type Row, shownCell, type Table } from './table.js';
import { readText } from './text.js';

/** Endings of files that {@link readConll} reads, without the dot. */
export const conllEndings = ['conll', 'bio', 'iob', 'iob2'] as const;

export interface ConllOptions {
  /** Column of the tokens, from 1: the first where it is not named. */
  readonly tokenColumn?: number | undefined;
  /** Column of the tags, from 1: the last where it is not named. */
  readonly tagColumn?: number | undefined;
}

/**
 * Reads a file of CoNLL's shared tasks (`.gz` too): a token a line with its tag in another column, a blank line between
 * sentences. Columns are parted by tabs where every line has one, else by runs of spaces. `-DOCSTART-` lines are no
 * sentences. A line that begins a sentence with `# `, as CoNLL-U's comments do, is one, unless it has the file's columns
 * and ends with a tag: then `#` is a token. Takes CRLF, a byte order mark and a missing last blank line.
 *
 * @returns a row a sentence, with the cells `tokens` and `tags` (lists of texts, as many of both); its line is that of the
 *   first token, and those of the others follow it without a gap ({@link placeOfToken})
 * @throws DiffoError that names file and line: no sentence at all, a line with one column, or with another number of
 *   columns than the line before, an empty token or tag
 */
export async function readConll(path: string, options: ConllOptions = {}): Promise<Table> {
  const lines = (await readText(path)).split('\n');
  const layout = layoutOf(lines);
  const rows: Row[] = [];
  let sentence: Sentence | undefined;
  let columns: number | undefined;
  for (const [index, content] of lines.entries()) {
    if (isBlank(content) || isDocumentStart(content)) {
      sentence = undefined;
      continue;
    }
    const cells = layout.split(content);
    if (sentence === undefined && isComment(content, cells, layout)) continue;
    const where = `${path}, line ${index + 1}`;
    refuseColumns(where, cells, columns);
    columns = cells.length;
    const token = cellAt(where, cells, options.tokenColumn ?? 1, 'token');
    const tag = cellAt(where, cells, options.tagColumn ?? columns, 'tag');
    if (sentence === undefined) {
      sentence = { tokens: [], tags: [] };
      rows.push({ line: index + 1, values: sentence });
    }
    sentence.tokens.push(token);
    sentence.tags.push(tag);
  }
  if (rows.length === 0) {
    throw new DiffoError(
      `${path} holds no sentence. Write a token and its tag on each line, and a blank line between sentences.`,
    );
  }
  return { path, columns: ['tokens', 'tags'], rows };
}

/**
 * Where a token of a sentence is, for messages: `people.conll, line 17`; in a file of another form, whose row is the whole
 * sentence, `people.jsonl, line 3, token 2`.
 *
 * @param token its position in the sentence, from 0
 */
export function placeOfToken(path: string, row: Row, token: number): string {
  const name = path.toLowerCase().replace(/\.gz$/, '');
  if (conllEndings.some((ending) => name.endsWith(`.${ending}`))) {
    return placeOf(path, { ...row, line: row.line + token });
  }
  return `${placeOf(path, row)}, token ${token + 1}`;
}

type Sentence = { readonly tokens: string[]; readonly tags: string[] };

/** What the lines that cannot be comments say of the file. */
interface Layout {
  readonly split: (content: string) => string[];
  /** Undefined where every line may be a comment. */
  readonly columns: number | undefined;
  /** Last cells, which only files with comments, or with tokens that look like one, are asked for. */
  readonly tags: ReadonlySet<string>;
}

function layoutOf(lines: readonly string[]): Layout {
  const sure = lines.filter((one) => !isBlank(one) && !isDocumentStart(one) && !maybeComment(one));
  const split = sure.length > 0 && sure.every((one) => one.includes('\t')) ? splitTabs : splitSpaces;
  const tags = new Set(lines.some(maybeComment) ? sure.map((one) => split(one).at(-1)!) : []);
  return { split, columns: sure[0] === undefined ? undefined : split(sure[0]).length, tags };
}

function splitTabs(content: string): string[] {
  return withoutReturn(content).split('\t');
}

/** At tabs too: where one line lacks its tab, it shall be that line which is refused. */
function splitSpaces(content: string): string[] {
  return withoutReturn(content)
    .split(/[ \t]/)
    .filter((cell) => cell !== '');
}

function withoutReturn(content: string): string {
  return content.endsWith('\r') ? content.slice(0, -1) : content;
}

function isBlank(content: string): boolean {
  return content.trim() === '';
}

/** The line that parts documents in CoNLL-2003, whatever stands in its other columns. */
function isDocumentStart(content: string): boolean {
  return /^-DOCSTART-(\s|$)/.test(content);
}

function maybeComment(content: string): boolean {
  return /^#( |\r?$)/.test(content);
}

function isComment(content: string, cells: readonly string[], { columns, tags }: Layout): boolean {
  if (!maybeComment(content)) return false;
  const last = cells.at(-1)!;
  const endsWithTag = tags.has(last) || /^(O|[BIES]-.+)$/.test(last);
  return cells.length < 2 || cells.length !== (columns ?? cells.length) || !endsWithTag;
}

function refuseColumns(where: string, cells: readonly string[], before: number | undefined): void {
  if (cells.length < 2) {
    throw new DiffoError(
      `${where}: ${shownCell(cells[0], 40)} has no tag beside it. Write a token and its tag, with a tab or spaces between.`,
    );
  }
  if (before !== undefined && cells.length !== before) {
    throw new DiffoError(
      `${where}: the line has ${cells.length} columns where those before have ${before}. Mend or remove it.`,
    );
  }
}

function cellAt(where: string, cells: readonly string[], column: number, what: 'token' | 'tag'): string {
  const cell = cells[column - 1];
  if (cell === undefined) {
    throw new DiffoError(
      `${where}: the ${what} is to be in column ${column}, but the line has only ${cells.length}. Name another.`,
    );
  }
  // White space such as U+00A0 is a token of some corpora, and never a tag.
  const text = what === 'tag' ? cell.trim() : cell;
  if (/^ *$/.test(text)) throw new DiffoError(`${where}: the ${what} is empty (column ${column}). Mend that line.`);
  return text;
}
