import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CHECKPOINTS_FOLDER } from '../artifacts/checkpoints/format.js';
import { PROGRESS_FILE } from '../artifacts/progressFile.js';
import { type RunSummary, readRunFile } from '../artifacts/runFile.js';
import { lockState } from '../files/lock.js';
import { idOf, type Root } from './roots.js';
import { RunLines } from './runLines.js';
import type { FoundRun } from './scan.js';
import { openTail, type Tail } from './tail.js';
import type { RunState, RunView } from './view.js';

/** A run as the board knows it: what its files have said so far. */
export class OpenRun {
  readonly id: string;
  view: RunView;
  /** Of the process that writes it. */
  pid: number | undefined;
  lines = new RunLines();
  private tail: Tail | undefined;
  private found: FoundRun;
  private summary: RunSummary | undefined;
  private summaryOf = '';
  private fault: string | undefined;
  private written = 0;
  /** True once the lines of a run that has ended are read. */
  private isRead = false;

  constructor(
    readonly root: number,
    private readonly roots: readonly Root[],
    found: FoundRun,
  ) {
    this.found = found;
    this.id = idOf(root, found.path.slice(roots[root]!.path.length + 1));
    this.view = this.viewAs('stopped', false);
  }

  get path(): string {
    return this.found.path;
  }

  /** Folder in which the files of the run lie now. */
  get folder(): string {
    return this.found.partial ?? this.found.path;
  }

  private get isLive(): boolean {
    return this.found.partial !== undefined || this.found.checkpoints;
  }

  /** Reads what is new. */
  async refresh(found: FoundRun): Promise<void> {
    const wasLive = this.isLive;
    this.found = found;
    if (this.isLive) {
      const lock = await lockState(found.path);
      const isHeld = lock.state === 'held' || lock.state === 'elsewhere';
      this.pid = lock.state === 'held' ? lock.pid : undefined;
      if (isHeld || !found.isComplete || found.checkpoints) {
        await this.follow();
        const { outcome } = this.lines.end ?? {};
        this.view = this.viewAs(isHeld ? 'running' : outcome === 'failed' ? 'failed' : 'stopped', false);
        return;
      }
    }
    this.pid = undefined;
    // What was followed to its end is what now lies in the finished folder.
    if (wasLive && this.tail !== undefined) {
      await this.readOn();
      this.isRead = this.lines.end?.outcome === 'finished';
      await this.close();
    }
    await this.readSummary();
    this.view = this.viewAs(this.fault === undefined ? 'done' : 'failed', false);
  }

  /** Nothing of it is left. @returns false for one that was no run that went on, and is to be forgotten */
  async gone(): Promise<boolean> {
    if (this.view.isGone) return true;
    if (!this.isLive) return false;
    await this.readOn();
    await this.close();
    this.pid = undefined;
    const state = this.lines.end?.outcome === 'failed' ? 'failed' : 'stopped';
    this.found = { ...this.found, isSaved: false, checkpoints: false, partial: undefined };
    this.view = this.viewAs(state, true);
    return true;
  }

  /** Curves and messages of a run that has ended, which are read when they are asked for. */
  async readLines(): Promise<RunLines> {
    if (this.isLive || this.isRead || this.view.isGone) return this.lines;
    const lines = new RunLines();
    for (const name of [PROGRESS_FILE, 'metrics.jsonl']) {
      const tail = await openTail(join(this.found.path, name)).catch(() => undefined);
      if (tail === undefined) continue;
      await tail.read((text) => lines.add(text)).finally(() => tail.close());
      if (lines.series.size > 0 || lines.messages.length > 0) break;
    }
    lines.takeAdded();
    this.lines = lines;
    this.isRead = true;
    return lines;
  }

  /** Frees what can be read again. */
  forgetLines(): void {
    if (this.isLive || !this.isRead || this.view.isGone) return;
    this.lines = new RunLines();
    this.isRead = false;
  }

  async close(): Promise<void> {
    await this.tail?.close();
    this.tail = undefined;
  }

  private async follow(): Promise<void> {
    const { partial, path } = this.found;
    const file = join(partial ?? join(path, CHECKPOINTS_FOLDER), PROGRESS_FILE);
    const now = await stat(file, { bigint: true }).catch(() => undefined);
    if (now !== undefined && this.tail?.is(now.ino) === false) {
      await this.close();
      this.lines = new RunLines();
    }
    if (now !== undefined && this.tail === undefined) {
      this.tail = await openTail(file).catch(() => undefined);
      this.lines = new RunLines();
    }
    this.written = now === undefined ? this.written : Number(now.mtimeMs);
    await this.readOn();
  }

  private async readOn(): Promise<void> {
    const isWhole = await this.tail?.read((text) => this.lines.add(text)).catch(() => true);
    // Shorter than before: another run has begun in the same file.
    if (isWhole === false) await this.close();
  }

  private async readSummary(): Promise<void> {
    const found = await stat(join(this.found.path, 'run.json')).catch(() => undefined);
    const of = `${found?.mtimeMs} ${found?.size} ${found?.ino}`;
    if (of === this.summaryOf) return;
    this.summaryOf = of;
    this.written = found?.mtimeMs ?? 0;
    try {
      this.summary = await readRunFile(this.found.path);
      this.fault = undefined;
    } catch (error) {
      this.summary = undefined;
      this.fault = error instanceof Error ? error.message : String(error);
    }
  }

  private viewAs(state: RunState, isGone: boolean): RunView {
    const { lines, found } = this;
    const summary = state === 'done' || state === 'failed' ? this.summary : undefined;
    const config: Readonly<Record<string, unknown>> = summary?.config ?? lines.begun?.config ?? {};
    const root = this.roots[this.root]!;
    const scores = summary?.scores?.dev;
    const watched = [...lines.series.keys()].find((name) => name.startsWith('score '));
    const metric = scores === undefined ? watched?.slice('score '.length) : Object.keys(scores)[0];
    const score =
      scores === undefined
        ? lines.series
            .get(watched ?? '')
            ?.view()
            .y.at(-1)
        : scores[metric ?? ''];
    const isDone = state === 'done';
    const inRoot = found.path.slice(root.path.length + 1);
    return {
      id: this.id,
      name: inRoot === '' ? root.name : inRoot,
      state,
      command: summary?.command ?? lines.begun?.command,
      task: summary?.task ?? textOf(config.task),
      model: summary?.model.name ?? textOf(config.model),
      method: textOf(config.method),
      select: textOf(config.select),
      seed: typeof config.seed === 'number' ? config.seed : undefined,
      metric,
      score: Number.isNaN(score) ? null : score,
      seconds: summary?.seconds.total ?? lines.seconds,
      memoryBytes: summary?.peakMemoryBytes ?? lines.memoryBytes,
      trainable: summary?.parameters?.trainable,
      time: lines.begun?.time || this.written,
      phase: state === 'running' ? lines.phase : undefined,
      loss: isDone ? undefined : lines.loss,
      error: this.fault ?? (state === 'failed' ? lines.end?.error : undefined),
      isSaved: found.isSaved,
      saves: typeof config.saveSteps === 'number',
      canStop: state === 'running' && this.pid !== undefined,
      hasAdapter: isDone && summary?.command !== 'select',
      hasMatrix:
        lines.matrixView() !== undefined || (isDone && (config.method === 'diffora' || config.select !== undefined)),
      isGone,
    };
  }
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);
