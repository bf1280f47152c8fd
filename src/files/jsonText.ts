import { DiffoError } from '../errors.js';

/** Deeper than any file of settings or rows; to write out what is deeper in a message would exhaust the stack. */
const DEEPEST = 500;

/**
 * Parses a JSON text that may be anything.
 *
 * @param message the sentence of the error, from the reason
 * @throws DiffoError for what is no JSON, or is nested deeper than 500
 */
export function parseJson(text: string, message: (reason: string) => string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DiffoError(message(reasonOf(error)), { cause: error });
  }
  if (isDeeper(value, DEEPEST)) throw new DiffoError(message(`it is nested more than ${DEEPEST} deep`));
  return value;
}

/** The message of an error on one line: that of JSON.parse quotes the text, line ends and control characters too. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/[\s\p{Cc}]+/gu, ' ').trim();
}

/** True for a value with objects or lists more than `depth` inside each other. */
export function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return depth === 0 || Object.values(value).some((one) => isDeeper(one, depth - 1));
}

/** True for a parsed JSON object: not null, not a list. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value a line. What JSON leaves of control characters (DEL to U+009F) is escaped too, since terminals may show the lines. */
export function jsonLines(values: readonly unknown[]): string {
  const escaped = (one: string) => `\\u00${one.charCodeAt(0).toString(16)}`;
  return values.map((value) => JSON.stringify(value).replace(/\p{Cc}/gu, escaped)).join('\n');
}
