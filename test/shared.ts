import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of this repository. */
export const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));

/**
 * Path below the project's shared folder (real data and tokenizers): `DIFFORA_SHARED`, or `../shared` beside the
 * repository. Not everyone has it: a test that needs it says `it.skipIf(!existsSync(sharedDir('data')))`, so that it is
 * counted as skipped.
 */
export function sharedDir(...parts: string[]): string {
  return resolve(process.env.DIFFORA_SHARED ?? resolve(REPOSITORY, '..', 'shared'), ...parts);
}

/** True when the shared folder holds that path. */
export function hasShared(...parts: string[]): boolean {
  return existsSync(sharedDir(...parts));
}
