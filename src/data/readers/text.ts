import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DiffoError } from '../../errors.js';
import { errorCode, fileError } from '../../files/errors.js';

const unzip = promisify(gunzip);

/** A text of JavaScript has no more characters (V8's String::kMaxLength). */
const LONGEST = 0x1fffffe8;

/**
 * Reads a text file as UTF-8, or as UTF-16 where its byte order mark says so, without that mark; unpacked where its name ends in `.gz`.
 * Lines that end in a carriage return alone, as those of old Macs do, end in a line feed.
 *
 * @throws DiffoError that names the file where it cannot be read or unpacked, or is text of another encoding
 */
export async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    if ((await stat(path)).size > LONGEST) throw tooLong(path);
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  if (path.toLowerCase().endsWith('.gz')) {
    try {
      bytes = await unzip(bytes, { maxOutputLength: LONGEST });
    } catch (error) {
      if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLong(path);
      const reason = error instanceof Error ? error.message : String(error);
      throw new DiffoError(`${path} cannot be unpacked (${reason}). Fetch or compress it again.`, { cause: error });
    }
  }
  const text = decoded(path, bytes);
  return text.includes('\n') ? text : text.replaceAll('\r', '\n');
}

function decoded(path: string, bytes: Uint8Array): string {
  const mark = marks.find(({ start }) => start.every((byte, i) => bytes[i] === byte));
  const encoding = mark?.encoding ?? 'utf-8';
  try {
    // TextDecoder takes the byte order mark away.
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (!isHalfEmpty(text)) return text;
  } catch (error) {
    throw new DiffoError(`${path} is no ${encoding.toUpperCase()} text: ${faultOf(bytes)} Save it as UTF-8.`, {
      cause: error,
    });
  }
  throw new DiffoError(
    `${path} seems to be UTF-16 or UTF-32 text without a byte order mark that says so. Save it as UTF-8.`,
  );
}

const marks = [
  { start: [0xff, 0xfe], encoding: 'utf-16le' },
  { start: [0xfe, 0xff], encoding: 'utf-16be' },
] as const;

/** ASCII in wider characters read as UTF-8 has a NUL in every second place. */
function isHalfEmpty(text: string): boolean {
  const start = text.slice(0, 1000);
  return start.length > 1 && start.split('\0').length - 1 >= start.length / 4;
}

/** Where bytes cease to be UTF-8, and what they may be. */
function faultOf(bytes: Uint8Array): string {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'it is packed by gzip, and its name does not end in .gz.';
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(0x0a, start);
    const end = found < 0 ? bytes.length : found + 1;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return `line ${line} is written otherwise, perhaps in Windows-1252 or Latin-1.`;
    }
    start = end;
  }
  return 'it is written otherwise.';
}

function tooLong(path: string): DiffoError {
  return new DiffoError(`${path} is a text of more than 536 MB. Write it as Parquet, or take a part of it.`);
}
