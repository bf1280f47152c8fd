import type { CompareConfig } from './config.js';
import { type Cell, type ComparedData, cellsOf, type Job, runOf, trialsOf } from './jobs.js';
import { chosenRate } from './rates.js';
import type { RecordStore } from './recordStore.js';
import type { CompareRecord } from './records.js';
import type { Comparison } from './run.js';

/** What is to be trained, in an order in which a table fills evenly: all cells with the first seed, then the second. */
export class Grid {
  private readonly started = new Set<string>();
  private readonly ended = new Set<string>();
  private readonly trials = new Map<Cell, Job[]>();
  private readonly cells: readonly Cell[];
  private wakers: (() => void)[] = [];

  constructor(
    private readonly config: CompareConfig,
    private readonly dataOf: (task: string) => ComparedData,
    private readonly code: string,
    private readonly records: RecordStore,
    isLeftOut: (cell: Cell) => boolean = () => false,
  ) {
    this.cells = cellsOf(config).filter((cell) => !isLeftOut(cell));
    for (const cell of this.cells) this.trials.set(cell, trialsOf(config, cell, dataOf(cell.task.name), code));
  }

  get size(): number {
    const trials = [...this.trials.values()].reduce((sum, { length }) => sum + length, 0);
    return trials + this.cells.length * this.config.seeds.length;
  }

  /** Trials and runs that are done; a run without its trials cannot be known. */
  countDone(): number {
    const trials = [...this.trials.values()].flat().filter((job) => this.isDone(job)).length;
    return trials + this.runs().filter((job) => job !== undefined && this.isDone(job)).length;
  }

  /** Something that can start now. */
  next(): Job | undefined {
    for (const seed of this.config.seeds) {
      for (const cell of this.cells) {
        const job = this.trials.get(cell)!.find((one) => this.isOpen(one)) ?? this.openRun(cell, seed);
        if (job === undefined) continue;
        this.started.add(job.key);
        return job;
      }
    }
    return undefined;
  }

  /** True when runs wait for trials that are under way. */
  isWaiting(): boolean {
    return this.runs().some((job) => job === undefined);
  }

  /** Resolves when the next job ends. */
  change(): Promise<void> {
    return new Promise((resolve) => this.wakers.push(resolve));
  }

  finish(job: Job, record: CompareRecord): void {
    this.records.add(record);
    this.ended.add(job.key);
    this.wake();
  }

  wake(): void {
    for (const resolve of this.wakers.splice(0)) resolve();
  }

  collect(): Pick<Comparison, 'runs' | 'trials' | 'missing'> {
    const recordsOf = (jobs: readonly (Job | undefined)[]) =>
      jobs.flatMap((job): CompareRecord[] => {
        const record = job && this.records.get(job);
        if (record === undefined) return [];
        // Records of before there could be several do not name their budget.
        const { budget } = job!.cell;
        return [budget === undefined ? record : { ...record, budget }];
      });
    const runs = recordsOf(this.runs());
    const trials = recordsOf([...this.trials.values()].flat());
    return { runs, trials, missing: this.cells.length * this.config.seeds.length - runs.length };
  }

  private openRun(cell: Cell, seed: number): Job | undefined {
    const job = this.run(cell, seed);
    return job !== undefined && this.isOpen(job) ? job : undefined;
  }

  private runs(): (Job | undefined)[] {
    return this.cells.flatMap((cell) => this.config.seeds.map((seed) => this.run(cell, seed)));
  }

  /** Undefined as long as the learning rate is not known. */
  private run(cell: Cell, seed: number): Job | undefined {
    const lr = this.chosenRate(cell);
    return lr === undefined
      ? undefined
      : runOf(this.config, cell, { seed, lr }, this.dataOf(cell.task.name), this.code);
  }

  /** Undefined as long as a trial is open. */
  private chosenRate(cell: Cell): number | undefined {
    const trials = this.trials.get(cell)!;
    const { learningRates } = cell.method;
    if (trials.length === 0) return learningRates[0]!;
    if (!trials.every((job) => this.isDone(job) || this.ended.has(job.key))) return undefined;
    return chosenRate(
      learningRates.map((lr) => ({
        lr,
        trials: trials.filter((job) => job.lr === lr).map((job) => this.records.get(job)),
      })),
    );
  }

  private isDone(job: Job): boolean {
    return this.records.get(job)?.status === 'done';
  }

  private isOpen(job: Job): boolean {
    return !this.isDone(job) && !this.started.has(job.key);
  }
}
