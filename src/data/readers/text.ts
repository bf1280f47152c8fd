import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DiffoError } from '../../errors.js';
import { errorCode, fileError } from '../../files/errors.js';

const unzip = promisify(gunzip);

/** A text of JavaScript has no more characters (V8's String::kMaxLength). */
const LONGEST = 0x1fffffe8;

/**
 * Reads a text file as UTF-8, unpacked where its name ends in `.gz`, without a byte order mark.
 *
 * @throws DiffoError that names the file where it cannot be read or unpacked, or is not UTF-8
 */
export async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    if ((await stat(path)).size > LONGEST) throw tooLong(path);
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  if (path.endsWith('.gz')) {
    try {
      bytes = await unzip(bytes, { maxOutputLength: LONGEST });
    } catch (error) {
      if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLong(path);
      const reason = error instanceof Error ? error.message : String(error);
      throw new DiffoError(`${path} cannot be unpacked (${reason}). Fetch or compress it again.`, { cause: error });
    }
  }
  try {
    // TextDecoder takes the byte order mark away.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new DiffoError(`${path} is not UTF-8 text. Save it as UTF-8 and try again.`, { cause: error });
  }
}

function tooLong(path: string): DiffoError {
  return new DiffoError(`${path} is a text of more than 536 MB. Write it as Parquet, or take a part of it.`);
}
