import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileError } from './errors.js';

/** Copies files into a folder under their own names. @throws DiffoError that names the file that cannot be copied */
export async function copyInto(folder: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    await copyFile(file, join(folder, basename(file))).catch((error) => {
      throw fileError(error, file, 'copy');
    });
  }
}
