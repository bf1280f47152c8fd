import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { inTurn, lockPath, withLock } from '../../src/files/lock.js';
import { until } from '../until.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-lock-'));
});
afterAll(() => rm(folder, { recursive: true }));
let target: string;
let count = 0;
beforeEach(() => {
  target = join(folder, `case-${count++}`, 'run');
});

const hold = (work: () => Promise<unknown> = async () => undefined) => withLock(target, work);
/** A lock as another process would have left it. */
async function leave(holder: object | string): Promise<void> {
  await hold();
  await writeFile(lockPath(target), typeof holder === 'string' ? holder : JSON.stringify(holder));
}

it('is there while the work goes on, and leaves nothing, also where the work fails', async () => {
  await hold(async () => expect(existsSync(lockPath(target))).toBe(true));
  await expect(hold(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await readdir(join(target, '..'))).toEqual([]);
});

it('refuses a second holder, naming process and machine', async () => {
  await hold(async () => {
    await expect(hold()).rejects.toThrow(`${target} is being written by this process.`);
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await rm(lockPath(target));
    await writeFile(lockPath(target), JSON.stringify({ pid: child.pid, host: hostname() }));
    await expect(hold()).rejects.toThrow(`being written by process ${child.pid} on this machine (${hostname()})`);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});

it('is waited for in turn, of another process too, and one of another machine is not', async () => {
  const order: string[] = [];
  const slow = inTurn(target, async () => {
    await new Promise((done) => setTimeout(done, 200));
    order.push('first');
  });
  await until(() => existsSync(lockPath(target)), slow);
  await inTurn(target, async () => order.push('second'));
  expect(order).toEqual(['first', 'second']);

  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await leave({ pid: child.pid, host: hostname() });
  const waiting = inTurn(target, async () => 'after it');
  child.kill('SIGKILL');
  expect(await waiting).toBe('after it');

  await leave({ pid: child.pid, host: 'elsewhere' });
  expect(await inTurn(target, async () => 'beside it')).toBe('beside it');
  await expect(inTurn(target, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
});

it('is no longer waited for once the work is aborted', async () => {
  const abort = new AbortController();
  await hold(async () => {
    const waiting = inTurn(target, async () => 'never', abort.signal);
    abort.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
  });
});

it('of a process that was killed does not count', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  await leave({ pid: child.pid, host: hostname() });
  await expect(hold(async () => 'mine')).resolves.toBe('mine');
});

it.skipIf(!existsSync('/proc/self/stat'))('of a dead process whose number another has now does not count', async () => {
  let own = '';
  await hold(async () => {
    own = await readFile(lockPath(target), 'utf8');
  });
  const holder = JSON.parse(own);
  expect(holder).toMatchObject({
    pid: process.pid,
    host: hostname(),
    started: expect.stringMatching(/^[0-9a-f-]{36} \d+$/),
  });
  await leave({ ...holder, started: `${holder.started}0` });
  await expect(hold(async () => 'mine')).resolves.toBe('mine');
  await leave(holder);
  await expect(hold()).rejects.toThrow('being written');
});

it('takes away what a killed process has left of its claim', async () => {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  await hold();
  await writeFile(`${lockPath(target)}.${child.pid}-0123abcd`, '');
  await writeFile(`${lockPath(target)}.${process.pid}-0123abcd`, '');
  await hold();
  expect(await readdir(join(target, '..'))).toEqual([`.run.lock.${process.pid}-0123abcd`]);
});

it('of another machine counts, for nobody can see whether it is alive', async () => {
  await leave({ pid: 1, host: 'elsewhere' });
  await expect(hold()).rejects.toThrow(
    `being written by process 1 on elsewhere. If that process has ended, delete ${lockPath(target)}.`,
  );
});

it('that cannot be read is left alone', async () => {
  await leave('not a lock');
  await expect(hold()).rejects.toThrow('is no lock of diffora');
  expect(await readFile(lockPath(target), 'utf8')).toBe('not a lock');
});

it('is given to one of many that find a dead one', async () => {
  for (let round = 0; round < 20; round++) {
    await leave({ pid: process.pid, host: hostname(), started: 'of an earlier process' });
    const refused: string[] = [];
    let won = 0;
    // Whoever has it keeps it until the seven others were told that it is taken.
    const all = Array.from({ length: 8 }, () =>
      hold(async () => {
        expect(++won).toBe(1);
        await until(() => refused.length === 7);
      }).catch((error: unknown) => refused.push(String(error))),
    );
    await Promise.all(all);
    expect(won).toBe(1);
    for (const one of refused) expect(one).toContain('being written');
  }
});

it('takes one listener of the process however many are held, and none afterwards', async () => {
  const before = process.listenerCount('exit');
  const nested = (depth: number): Promise<number> =>
    withLock(`${target}-${depth}`, async () => (depth === 0 ? process.listenerCount('exit') : nested(depth - 1)));
  expect(await nested(11)).toBe(before + 1);
  expect(process.listenerCount('exit')).toBe(before);
});
