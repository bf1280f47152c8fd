import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { makeFolders, writeFileAtomic } from '../files/atomic.js';
import { readJsonAs } from '../files/json.js';
import { isRunning, knownProcess } from '../files/lock.js';

const ending = extname(import.meta.url);
const program = fileURLToPath(new URL(`../cli/main${ending}`, import.meta.url));
/** From source, as the tests run it, the child needs the loader of TypeScript too. */
const loader = ending === '.ts' ? ['--import', 'tsx'] : [];

/** Jobs that are remembered. */
const mostRemembered = 200;
/** Bytes of a log that are shown: its end. */
const shownLog = 64 * 1024;

const jobSchema = z.object({
  format: z.literal('diffora-job/1'),
  id: z.string(),
  /** After the program's name. */
  args: z.array(z.string()),
  /** Folder that it makes. */
  output: z.string(),
  /** Milliseconds since 1970. */
  time: z.number(),
  state: z.enum(['waiting', 'running', 'ended']),
  process: z.object({ pid: z.int(), started: z.string().optional() }).optional(),
  /** Null where it is not known, or a signal ended it. */
  exitCode: z.int().nullable().optional(),
  /** It was told to stop. */
  isStopped: z.boolean().optional(),
  /** Settings of its run, for the table while it waits. */
  config: z.record(z.string(), z.unknown()),
});
export type Job = z.infer<typeof jobSchema>;

/**
 * Runs that the board starts: processes of their own, which go on when the page or the board ends. Files beside the runs
 * remember them; those that wait go on when a board is opened again.
 */
export class Jobs {
  private readonly jobs = new Map<string, Job>();
  private timer: NodeJS.Timeout | undefined;
  private readonly children = new Map<string, ChildProcess>();
  private readonly lastLogs = new Map<string, string>();

  /** @param most that run at a time @param changed is called when one begins or ends */
  constructor(
    private readonly folder: string,
    private readonly most: number,
    private readonly changed: () => void,
  ) {}

  /** Remembers what earlier boards started. @param isReadOnly nothing is started, also of what waits */
  async load(isReadOnly: boolean): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [] as string[])) {
      if (!name.endsWith('.json')) continue;
      const job = await readJsonAs(join(this.folder, name), jobSchema).catch(() => undefined);
      if (job === undefined || `${job.id}.json` !== name) continue;
      this.jobs.set(job.id, job);
      if (job.state === 'ended') await this.rememberLog(job.id);
    }
    if (isReadOnly) return;
    this.timer = setInterval(() => void this.pump().catch(() => undefined), 1000).unref();
    await this.pump();
  }

  get all(): readonly Job[] {
    return [...this.jobs.values()];
  }

  /** The newest job that makes a folder. */
  of(output: string): Job | undefined {
    return this.all.filter((job) => job.output === output).sort((a, b) => b.time - a.time)[0];
  }

  /** Puts a command at the end of the queue. */
  async add(args: readonly string[], output: string, config: Readonly<Record<string, unknown>>): Promise<Job> {
    const time = Date.now();
    const id = `${new Date(time).toISOString().replace(/[:.]/g, '-')}-${randomBytes(3).toString('hex')}`;
    const job: Job = { format: 'diffora-job/1', id, args: [...args], output, time, state: 'waiting', config };
    await makeFolders(this.folder);
    await this.put(job);
    await this.pump();
    return this.jobs.get(id)!;
  }

  /** Takes a job out of the queue. @returns false where it waits no longer */
  async cancel(job: Job): Promise<boolean> {
    if (this.jobs.get(job.id)?.state !== 'waiting') return false;
    await this.put({ ...job, state: 'ended', exitCode: null, isStopped: true });
    return true;
  }

  /** Remembers that someone told it to stop, so that its end is no failure. */
  async markStopped(output: string): Promise<void> {
    const job = this.of(output);
    if (job?.state === 'running') await this.put({ ...job, isStopped: true });
  }

  /** What a job that has ended said last, as far as it was read at its end. */
  lastLog(id: string): string {
    return this.lastLogs.get(id) ?? '';
  }

  /** The end of what it said. */
  async log(id: string): Promise<string> {
    if (!this.jobs.has(id)) return '';
    const file = await open(this.logOf(id), 'r').catch(() => undefined);
    if (file === undefined) return '';
    try {
      const { size } = await file.stat();
      const start = Math.max(0, size - shownLog);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, undefined, start);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }

  /** Starts nothing more. What runs goes on. */
  close(): void {
    clearInterval(this.timer);
  }

  private async rememberLog(id: string): Promise<void> {
    this.lastLogs.set(id, (await this.log(id)).slice(-4000));
  }

  private logOf(id: string): string {
    return join(this.folder, `${id}.log`);
  }

  private async put(job: Job): Promise<void> {
    this.jobs.set(job.id, job);
    await writeFileAtomic(join(this.folder, `${job.id}.json`), `${JSON.stringify(job, null, 2)}\n`);
    this.changed();
  }

  /** Notes what has ended, and starts what may begin. */
  private async pump(): Promise<void> {
    for (const job of this.all) {
      // Jobs of an earlier board are no children of this one: nobody tells of their end.
      if (job.state === 'running' && !this.children.has(job.id) && !(job.process && isRunning(job.process))) {
        await this.put({ ...job, state: 'ended', exitCode: null });
      }
    }
    const running = this.all.filter(({ state }) => state === 'running').length;
    const waiting = this.all.filter(({ state }) => state === 'waiting').sort((a, b) => a.time - b.time);
    for (const job of waiting.slice(0, Math.max(0, this.most - running))) await this.start(job);
    await this.forget();
  }

  private async start(job: Job): Promise<void> {
    // Marked first: a second look must not start it again.
    this.jobs.set(job.id, { ...job, state: 'running' });
    const log = openSync(this.logOf(job.id), 'a', 0o600);
    const child = spawn(process.execPath, [...loader, program, ...job.args], {
      detached: true,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.unref();
    this.children.set(job.id, child);
    const ended = (exitCode: number | null) => {
      this.children.delete(job.id);
      const now = this.jobs.get(job.id);
      if (now === undefined) return;
      // Where it cannot be written, it is remembered as long as this board is open.
      void this.rememberLog(job.id)
        .then(() => this.put({ ...now, state: 'ended', exitCode }))
        .then(() => this.pump())
        .catch(() => undefined);
    };
    child.once('exit', ended);
    child.once('error', () => ended(null));
    const known = child.pid === undefined ? undefined : knownProcess(child.pid);
    await this.put({ ...this.jobs.get(job.id)!, ...(known === undefined ? {} : { process: known }) });
  }

  private async forget(): Promise<void> {
    const old = this.all.filter(({ state }) => state === 'ended').sort((a, b) => b.time - a.time);
    for (const { id, args } of old.slice(mostRemembered)) {
      this.jobs.delete(id);
      const settings = args.filter((one) => dirname(one) === this.folder);
      for (const path of [`${id}.json`, `${id}.log`].map((name) => join(this.folder, name)).concat(settings))
        await rm(path, { force: true });
    }
  }

  /** Writes the settings of a job that is to come. @returns their file */
  async writeSettings(text: string): Promise<string> {
    await makeFolders(this.folder);
    const file = join(this.folder, `${Date.now()}-${randomBytes(3).toString('hex')}.settings.yaml`);
    await writeFileAtomic(file, text);
    return file;
  }
}

/** The last line of a log that says something. */
export function lastLine(log: string): string | undefined {
  return log
    .trimEnd()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .at(-1)
    ?.slice(0, 2000);
}
