import { tab } from './tab.js';
import { zipOf } from './zip.js';

/** Gives files to the user as one ZIP archive. @param name of the archive: `adapter.zip` */
export function download(files: ReadonlyMap<string, Uint8Array>, name: string): void {
  if (tab.document === undefined)
    throw new Error('a download needs a document: in a worker, send the files to the page');
  const link = tab.document.createElement('a');
  link.href = URL.createObjectURL(new Blob([zipOf(files)], { type: 'application/zip' }));
  link.download = name;
  link.click();
  // The browser has begun to read by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
