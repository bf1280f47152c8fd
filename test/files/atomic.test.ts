import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { removeAtOnce, withOutputFolder, writeAtomic, writeFileAtomic } from '../../src/files/atomic.js';
import { fileError } from '../../src/files/errors.js';
import { readJsonObject } from '../../src/files/json.js';
import { built } from '../cli/started.js';
import { canMount, withDisk } from './disk.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-files-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function failure(promise: Promise<unknown>): Promise<DiffoError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DiffoError);
  return error as DiffoError;
}

describe('writeFileAtomic', () => {
  it('replaces a file and leaves nothing beside it', async () => {
    const path = join(folder, 'a.txt');
    await writeFile(path, 'old');
    await writeFileAtomic(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(folder)).toEqual(['a.txt']);
  });

  it('keeps the old content and removes the temporary file when writing fails half-way', async () => {
    const path = join(folder, 'a.txt');
    await writeFile(path, 'old');
    const fill = writeAtomic(path, async (file) => {
      await file.write('half');
      throw new Error('stop');
    });
    await expect(fill).rejects.toThrow('stop');
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['a.txt']);
  });

  it('names the path and the cure when a part of the path is missing or a file', async () => {
    await writeFile(join(folder, 'file'), '');
    const missing = join(folder, 'none', 'a.txt');
    expect((await failure(writeFileAtomic(missing, ''))).message).toBe(
      `Cannot write ${missing}: no such file or folder. Check the spelling of the path.`,
    );
    const below = join(folder, 'file', 'a.txt');
    expect((await failure(writeFileAtomic(below, ''))).message).toContain(
      `Cannot write ${below}: a part of the path is a file`,
    );
  });

  it.skipIf(!canMount)('says that the disk is full, keeps the old file and leaves no temporary one', () =>
    withDisk(64, async (disk) => {
      const path = disk.path('a.bin');
      await writeFileAtomic(path, 'old');
      const error = await failure(writeFileAtomic(path, new Uint8Array(1 << 20)));
      expect(error.message).toBe(
        `Cannot write ${path}: the disk is full. Free some space or choose a folder on another disk.`,
      );
      expect(await readFile(path, 'utf8')).toBe('old');
      expect(await readdir(disk.path())).toEqual(['a.bin']);
      const target = disk.path('out');
      const full = await failure(
        withOutputFolder(target, (out) => writeFileAtomic(join(out, 'b.bin'), new Uint8Array(1 << 20))),
      );
      expect(full.message).toContain(`Cannot write ${join(target, 'b.bin')}: the disk is full`);
      expect(await readdir(disk.path())).toEqual(['a.bin']);
    }),
  );
});

describe('withOutputFolder', () => {
  it('shows the folder only when it is complete, and makes its parents', async () => {
    const target = join(folder, 'runs', 'one');
    await withOutputFolder(target, async (partial) => {
      await writeFile(join(partial, 'a'), '1');
      expect(await readdir(join(folder, 'runs'))).not.toContain('one');
    });
    expect(await readdir(target)).toEqual(['a']);
    expect(await readdir(join(folder, 'runs'))).toEqual(['one']);
  });

  it.runIf(process.platform === 'linux')('refuses a place where no folder can be made, and does not hang', async () => {
    const error = await failure(withOutputFolder('/proc/diffora/run', async () => undefined));
    expect(error.message).toContain('/proc/diffora/run');
  });

  it('removes everything when filling fails', async () => {
    const fill = withOutputFolder(join(folder, 'out'), async (partial) => {
      await writeFile(join(partial, 'a'), '1');
      throw new Error('stop');
    });
    await expect(fill).rejects.toThrow('stop');
    expect(await readdir(folder)).toEqual([]);
  });

  it('leaves nothing under the final name when the process is interrupted', async () => {
    const module = built('dist', 'files', 'atomic.js');
    const target = join(folder, 'out');
    const program = `
      import { writeFile } from 'node:fs/promises';
      import { withOutputFolder } from ${JSON.stringify(module)};
      await withOutputFolder(${JSON.stringify(target)}, async (partial) => {
        await writeFile(partial + '/adapter_config.json', '{}');
        process.kill(process.pid, 'SIGINT');
        await new Promise((resolve) => setTimeout(resolve, 3_600_000));
      });`;
    const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
    expect(signal).toBe('SIGINT');
    const left = await readdir(folder);
    expect(left).toHaveLength(1);
    expect(left[0]).toMatch(/^\.out\.partial-/);
  });

  it('takes an empty folder and refuses one that is not, before filling', async () => {
    const target = join(folder, 'out');
    await mkdir(target);
    await withOutputFolder(target, (partial) => writeFile(join(partial, 'a'), '1'));
    let called = false;
    const error = await failure(
      withOutputFolder(target, async () => {
        called = true;
      }),
    );
    expect(error.message).toBe(
      `${target} exists already and is not empty. Choose another path, or replace it with --overwrite.`,
    );
    expect(called).toBe(false);
  });

  it('replaces a folder only at the end, and keeps the old one when filling fails', async () => {
    const target = join(folder, 'out');
    await withOutputFolder(target, (partial) => writeFile(join(partial, 'old'), ''));
    const broken = withOutputFolder(target, () => Promise.reject(new Error('stop')), { existing: 'replace' });
    await expect(broken).rejects.toThrow('stop');
    expect(await readdir(target)).toEqual(['old']);
    await withOutputFolder(target, (partial) => writeFile(join(partial, 'new'), ''), { existing: 'replace' });
    expect(await readdir(target)).toEqual(['new']);
    expect(await readdir(folder)).toEqual(['out']);
  });

  it('refuses a path that is a file', async () => {
    const target = join(folder, 'file');
    await writeFile(target, '');
    const error = await failure(withOutputFolder(target, async () => undefined));
    expect(error.message).toContain(`${target} is a file`);
  });
});

describe('fileError', () => {
  it('leaves errors that are not of the file system as they are', () => {
    const defect = new TypeError('x is undefined');
    expect(fileError(defect, '/a', 'write')).toBe(defect);
    const abort = new DOMException('aborted', 'AbortError');
    expect(fileError(abort, '/a', 'write')).toBe(abort);
  });

  it.each(['EACCES', 'EROFS', 'EEXIST', 'ENOSPC', 'EXDEV', 'EUNHEARD'])('makes a sentence of %s', (code) => {
    const system = Object.assign(new Error(`${code}: something`), { code, syscall: 'open' });
    const error = fileError(system, '/a/b', 'write');
    expect(error).toBeInstanceOf(DiffoError);
    expect(error.message).toMatch(/^Cannot write \/a\/b: .+\.$/);
  });
});

describe('removeAtOnce', () => {
  it('shows the folder whole or not at all, and leaves nothing', async () => {
    const path = join(folder, 'many');
    await mkdir(path);
    for (let i = 0; i < 200; i++) await writeFile(join(path, String(i)), '');
    const seen = new Set<number>();
    let isGone = false;
    const removed = removeAtOnce(path).then(() => {
      isGone = true;
    });
    while (!isGone) seen.add((await readdir(path).catch(() => [])).length);
    await removed;
    expect([...seen].filter((count) => count !== 0 && count !== 200)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    await removeAtOnce(path);
  });
});

describe('readJsonObject', () => {
  it('names the file when it is no JSON object or cannot be read', async () => {
    const path = join(folder, 'a.json');
    await writeFile(path, '{"a": 1,}');
    expect((await failure(readJsonObject(path))).message).toContain(`${path} is not valid JSON`);
    await writeFile(path, '[1]');
    expect((await failure(readJsonObject(path))).message).toContain(`${path} must hold a JSON object`);
    await symlink(join(folder, 'loop'), join(folder, 'loop'));
    expect((await failure(readJsonObject(join(folder, 'loop')))).message).toContain('go round in a circle');
  });
});
