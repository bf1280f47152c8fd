import { Lexer, parse, type Tags } from 'yaml';
import { DiffoError } from '../errors.js';
import { readSettingsText } from './json.js';
import { isDeeper, parseJson, reasonOf } from './jsonText.js';

/** Deeper than any settings; the parser calls itself for every level, and Node.js does not survive its going too deep. */
const DEEPEST = 200;
/** More than any settings need; the parser's time grows with the square of their number. */
const MOST_TOKENS = 20_000;

/**
 * Reads a file of settings, YAML or (`.json`) JSON.
 *
 * @throws DiffoError that names the file where it cannot be read, is neither, or is nested too deep
 */
export async function readYaml(path: string): Promise<unknown> {
  const text = await readSettingsText(path);
  const message = (reason: string) => `${path} is not valid YAML or JSON: ${reason}. Mend the file.`;
  if (path.toLowerCase().endsWith('.json')) return parseJson(text, message);
  const excess = excessOf(text);
  if (excess !== undefined) throw new DiffoError(message(excess));
  let value: unknown;
  try {
    value = parse(text, { logLevel: 'error', customTags: withoutDates });
  } catch (error) {
    // Below its first line the message shows the place.
    const [first] = String(error instanceof Error ? error.message : error).split('\n');
    throw new DiffoError(message(reasonOf(first).replace(/[.:]$/, '')), { cause: error });
  }
  // An alias may stand inside of what it names.
  if (isDeeper(value, DEEPEST)) throw new DiffoError(message('an alias stands inside of what it names'));
  return value;
}

const timestamp = 'tag:yaml.org,2002:timestamp';

/** Dates, which YAML 1.1 and a tag of their own make of texts, stay the texts that they are written as. */
function withoutDates(tags: Tags): Tags {
  const others = tags.filter((tag) => typeof tag === 'string' || tag.tag !== timestamp);
  return [...others, { tag: timestamp, resolve: (text: string) => text }];
}

/** What the parser would take too long for, or not survive. */
function excessOf(text: string): string | undefined {
  let [tokens, brackets, line, isStart] = [0, 0, 0, true];
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MOST_TOKENS) return 'it has more entries than any settings';
    // A block stands as deep as its line is indented, and deeper by what the line opens itself.
    const isEnd = /^\r?\n/.test(token);
    if (isEnd) line = 0;
    else if (isStart && /^[ \t]+$/.test(token)) line = token.length;
    else if (token === '[' || token === '{') brackets++;
    else if (token === ']' || token === '}') brackets = Math.max(0, brackets - 1);
    else if (brackets === 0 && /^[-?:]$/.test(token)) line++;
    isStart = isEnd;
    if (brackets + line > DEEPEST) return `it is indented or nested more than ${DEEPEST} deep`;
  }
  return undefined;
}
