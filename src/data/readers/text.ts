import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DiffoError } from '../../errors.js';
import { fileError } from '../../files/errors.js';

const unzip = promisify(gunzip);

/**
 * Reads a text file as UTF-8, unpacked where its name ends in `.gz`, without a byte order mark.
 *
 * @throws DiffoError that names the file where it cannot be read or unpacked, or is not UTF-8
 */
export async function readText(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  if (path.endsWith('.gz')) {
    try {
      bytes = await unzip(bytes);
    } catch (error) {
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
