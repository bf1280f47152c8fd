import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small file system in memory, as root on Linux may mount one. */
export interface Disk {
  path(...parts: string[]): string;
  /** Gives it another size. */
  resize(kibibytes: number): void;
  makeReadOnly(): void;
  remove(): void;
}

/** @returns undefined where the system does not allow it */
export function mountDisk(kibibytes: number): Disk | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'diffora-disk-'));
  const at = join(folder, 'disk');
  mkdirSync(at);
  const mount = (options: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', at]).status === 0;
  if (!mount(`size=${kibibytes}k`)) {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  const again = (options: string) => {
    if (!mount(`remount,${options}`)) throw new Error(`${at} cannot be mounted again as ${options}`);
  };
  return {
    path: (...parts) => join(at, ...parts),
    resize: (size) => again(`rw,size=${size}k`),
    makeReadOnly: () => again('ro'),
    remove: () => {
      spawnSync('umount', [at]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const probe = mountDisk(16);
probe?.remove();
/** False where a test that needs a disk of its own has to be skipped. */
export const canMount = probe !== undefined;

/** Does work on a disk of that size. */
export async function withDisk<T>(kibibytes: number, work: (disk: Disk) => Promise<T>): Promise<T> {
  const disk = mountDisk(kibibytes)!;
  try {
    return await work(disk);
  } finally {
    disk.remove();
  }
}
