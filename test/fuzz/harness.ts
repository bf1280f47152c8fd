import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { nightly } from '../nightly.js';
import { mutations } from './mutate.js';

/** Cases of every format. */
export const cases = nightly ? 2000 : 60;
const seed = Number(process.env.DIFFORA_SEED ?? 1);

/** What one case may take of the processor, whatever else runs: far more than any of these small files needs. */
const longestMilliseconds = 15_000;
/** After so long a case waits for what does not come: where it computed, the other limit would have ended it. */
const longestWait = 300_000;
/** What one case may add to heap and buffers: a defect that makes room for a length it reads exceeds it. */
const mostBytes = 256 * 1024 * 1024;
/** What all of them may leave behind. */
const mostLeft = 64 * 1024 * 1024;

export interface Options {
  /** What a refusal must name one of: the file, or its folder where files disagree. */
  readonly names: readonly string[];
  /** False for what makes something of everything. */
  readonly refuses?: boolean;
  readonly count?: number;
}

/** A temporary folder for the tests of a file: paths in it. */
export function scratch(): (...parts: string[]) => string {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diffora-fuzz-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return (...parts) => join(folder, ...parts);
}

/**
 * Breaks the bytes of a file in as many ways as there are cases, and reads it each time. As it is it must be readable; it
 * is put back at the end.
 *
 * @param open makes the file and says where it is and how it is read
 */
export function survivesBytes(
  what: string,
  open: () => Promise<{ path: string; read: () => unknown } & Partial<Options>>,
): void {
  it(`${what}, broken in ${cases} ways, is read or refused with a sentence`, async () => {
    const { path, read, names = [path], refuses, count = cases } = await open();
    const whole = await readFile(path);
    await read();
    const trial = new Trial(`${what}, bytes`, { names, count, ...(refuses === undefined ? {} : { refuses }) });
    for (const broken of mutations(whole, seed, count)) {
      await writeFile(path, broken);
      await trial.of(read);
    }
    await writeFile(path, whole);
    trial.end();
  });
}

/** Takes as many values as there are cases out of an arbitrary, and reads each. */
export function survivesValues<Value>(
  what: string,
  values: fc.Arbitrary<Value> | (() => Promise<fc.Arbitrary<Value>>),
  open: () => Promise<{ read: (value: Value) => unknown } & Options>,
): void {
  it(`${what} in ${cases} forms is read or refused with a sentence`, async () => {
    const { read, ...options } = await open();
    const trial = new Trial(`${what}, values`, options);
    const drawn = typeof values === 'function' ? await values() : values;
    const property = fc.asyncProperty(drawn, (value) => trial.of(() => read(value)));
    const found = await fc.check(property, { seed, numRuns: options.count ?? cases, endOnFailure: true });
    if (found.failed) {
      const [value] = found.counterexample!;
      const shown = typeof value === 'string' ? value : fc.stringify(value);
      throw new Error(`${shown.slice(0, 1000)}`, { cause: found.errorInstance });
    }
    trial.end();
  });
}

/** Cases of one format, counted. */
class Trial {
  private tried = 0;
  private refused = 0;
  private readonly before = bytesInUse(true);

  constructor(
    private readonly what: string,
    private readonly options: Options,
  ) {}

  /** One case. @throws Error with its number for anything but a result or a proper refusal, in time and memory */
  async of(read: () => unknown): Promise<void> {
    const number = this.tried++;
    watchdog.postMessage(`${this.what}: case ${number} of seed ${seed}`);
    const [started, before] = [process.cpuUsage(), bytesInUse()];
    try {
      await withDeadline(read);
    } catch (error) {
      const fault = faultOf(error, this.options.names);
      if (fault !== undefined) throw this.failure(number, fault, error);
      this.refused++;
    } finally {
      watchdog.postMessage(undefined);
    }
    const { user, system } = process.cpuUsage(started);
    const [milliseconds, bytes] = [(user + system) / 1000, bytesInUse() - before];
    if (milliseconds > longestMilliseconds) throw this.failure(number, `it took ${Math.round(milliseconds)} ms`);
    if (bytes > mostBytes) throw this.failure(number, `it took ${Math.round(bytes / 2 ** 20)} MiB`);
  }

  private failure(number: number, fault: string, cause?: unknown): Error {
    return new Error(`${this.what}: case ${number} of seed ${seed}: ${fault}`, { cause });
  }

  /** Checks the whole, and tells in the nightly form what was tried. */
  end(): void {
    const { what, tried, refused, options } = this;
    if (nightly) console.log(`${what}: ${tried} cases, ${refused} refused`);
    expect(tried).toBeGreaterThanOrEqual(options.count ?? cases);
    if (options.refuses ?? true) expect(refused).toBeGreaterThan(tried / 20);
    else expect(refused).toBe(0);
    expect(bytesInUse(true) - this.before).toBeLessThan(mostLeft);
  }
}

/** What is wrong with an error as a refusal. */
function faultOf(error: unknown, names: readonly string[]): string | undefined {
  if (!(error instanceof DiffoError)) return `it ends with ${error instanceof Error ? error.stack : error}`;
  // A table of what does not fit may follow.
  const [sentence = ''] = error.message.split('\n');
  if (!/[.)]$/.test(sentence) && !/[.)]$/.test(error.message)) return `the message is no sentence: ${error.message}`;
  if (!names.some((name) => error.message.includes(name))) return `the message names no file: ${error.message}`;
  return undefined;
}

/** Ends what waits for ever; what computes for ever the watchdog ends. */
async function withDeadline(work: () => unknown): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${longestWait} ms`)), longestWait);
  });
  try {
    await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A thread of its own, which still runs when a case computes for ever: it names the case and ends the process. */
const watchdog = new Worker(
  `const { parentPort, workerData } = require('node:worker_threads');
   const { writeSync } = require('node:fs');
   let name, started;
   parentPort.on('message', (next) => {
     [name, started] = [next, process.cpuUsage()];
   });
   setInterval(() => {
     if (name === undefined) return;
     const { user, system } = process.cpuUsage(started);
     if ((user + system) / 1000 < workerData) return;
     writeSync(2, name + ': no end\\n');
     process.kill(process.pid, 'SIGKILL');
   }, 1000).unref();`,
  { eval: true, workerData: 2 * longestMilliseconds },
);
watchdog.unref();

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function bytesInUse(collected = false): number {
  if (collected) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
