import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders that decide nothing about what a run gives. */
const idle = ['cli', 'jobs/compare', 'report'];

/** First twelve digits of a SHA-256 over all code that a run depends on: another build, another version. */
export function codeVersion(): string {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const ending = extname(import.meta.url);
  const hash = createHash('sha256');
  for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = file.split(sep).join('/');
    const isIdle = idle.some((folder) => path.startsWith(`${folder}/`));
    if (extname(file) !== ending || file.endsWith('.d.ts') || isIdle) continue;
    hash.update(path).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex').slice(0, 12);
}
