import { DiffoError } from '../errors.js';

/** What a system error code means to a user: the fault, then the cure. */
const SENTENCES: Readonly<Record<string, readonly [fault: string, cure: string]>> = {
  ENOSPC: ['the disk is full', 'Free some space or choose a folder on another disk.'],
  EDQUOT: ['the disk quota is used up', 'Free some space or choose a folder on another disk.'],
  EFBIG: ['the file is larger than the file system or the process limit allows', 'Choose a folder on another disk.'],
  EACCES: ['permission denied', 'Change its permissions or choose another path.'],
  EPERM: ['the operation is not permitted', 'Change its permissions or choose another path.'],
  EROFS: ['the file system is read-only', 'Choose a folder that can be written.'],
  ENOENT: ['no such file or folder', 'Check the spelling of the path.'],
  ENOTDIR: ['a part of the path is a file, not a folder', 'Check the spelling of the path.'],
  EISDIR: ['it is a folder, not a file', 'Give the path of a file.'],
  EEXIST: ['it exists already', 'Choose another path, or move the old one away.'],
  ENOTEMPTY: ['the folder exists already and is not empty', 'Choose another path, or move the old one away.'],
  ENAMETOOLONG: ['the name is too long', 'Choose a shorter path.'],
  ELOOP: ['its symbolic links go round in a circle', 'Mend the links or choose another path.'],
  EMFILE: ['too many files are open', 'Raise the limit (ulimit -n) and try again.'],
  ENFILE: ['too many files are open', 'Close other programs and try again.'],
  EBUSY: ['it is in use by another program', 'Close that program and try again.'],
  ETXTBSY: ['it is in use by another program', 'Close that program and try again.'],
  EXDEV: ['the two paths lie on different disks', 'Choose paths on one disk.'],
  EIO: ['the disk reports an input/output error', 'Check the disk.'],
};

/**
 * Turns a file-system error into a sentence that names the path, what is wrong and the cure.
 *
 * @param action what was tried, as a verb: `read`, `write`, `make the folder`
 * @returns a DiffoError for every error with a known system code; any other error (an abort, a defect, a DiffoError
 *   already) unchanged, so that it stays what it is
 */
export function fileError(error: unknown, path: string, action: string): Error {
  if (error instanceof DiffoError) return error;
  const code = errorCode(error);
  const sentence = code === undefined ? undefined : SENTENCES[code];
  if (sentence) return new DiffoError(`Cannot ${action} ${path}: ${sentence[0]}. ${sentence[1]}`, { cause: error });
  if (code !== undefined && isSystemError(error)) {
    return new DiffoError(`Cannot ${action} ${path}: ${error.message}.`, { cause: error });
  }
  return error instanceof Error ? error : new Error(String(error));
}

/** The `code` of a Node.js error (`ENOENT`, …), or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}
