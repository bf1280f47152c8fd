import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeFileAtomic } from './atomic.js';
import { fileError } from './errors.js';

/** Copies files into a folder under their own names. @throws DiffoError that names the file that cannot be read or written */
export async function copyInto(folder: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const bytes = await readFile(file).catch((error) => Promise.reject(fileError(error, file, 'read')));
    await writeFileAtomic(join(folder, basename(file)), bytes);
  }
}
