import type { Candidate, CompareConfig } from './config.js';
import { type Cell, type ComparedData, cellsOf, type Job, plannedTrials, runOf, trialsOf } from './jobs.js';
import { ranked } from './rates.js';
import type { RecordStore } from './recordStore.js';
import type { CompareRecord } from './records.js';
import type { Comparison } from './run.js';

/** What is to be trained, in an order in which a table fills evenly: all cells with the first seed, then the second. */
export class Grid {
  private readonly started = new Set<string>();
  private readonly ended = new Set<string>();
  private readonly planned = new Map<Cell, ReturnType<typeof plannedTrials>>();
  /** Jobs of a cell that were made, by what tells them apart. */
  private readonly made = new Map<Cell, Map<string, Job[]>>();
  private readonly cells: readonly Cell[];
  private wakers: (() => void)[] = [];

  constructor(
    private readonly config: CompareConfig,
    private readonly dataOf: (task: string) => ComparedData,
    private readonly code: string,
    private readonly records: RecordStore,
    isLeftOut: (cell: Cell) => boolean = () => false,
    /** Whether a cell is done here, by its place in the tables. */
    isOwn: (index: number) => boolean = () => true,
  ) {
    this.cells = cellsOf(config).filter((cell, i) => isOwn(i) && !isLeftOut(cell));
    for (const cell of this.cells) this.planned.set(cell, plannedTrials(config, cell, dataOf(cell.task.name)));
  }

  get size(): number {
    const candidates = this.cells.flatMap((cell) => this.planned.get(cell)!.rounds.map(({ count }) => count));
    const trials = candidates.reduce((sum, count) => sum + count, 0) * this.config.trialSeeds.length;
    return trials + this.cells.length * this.config.seeds.length;
  }

  /** Trials and runs that are done; what rests on trials that are not cannot be known. */
  countDone(): number {
    const trials = this.knownTrials().filter((job) => this.isDone(job)).length;
    return trials + this.runs().filter((job) => job !== undefined && this.isDone(job)).length;
  }

  /** Something that can start now. */
  next(): Job | undefined {
    for (const seed of this.config.seeds) {
      for (const cell of this.cells) {
        const job = this.trialsIn(cell).jobs.find((one) => this.isOpen(one)) ?? this.openRun(cell, seed);
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
    const trials = recordsOf(this.knownTrials());
    return { runs, trials, missing: this.cells.length * this.config.seeds.length - runs.length };
  }

  private openRun(cell: Cell, seed: number): Job | undefined {
    const job = this.run(cell, seed);
    return job !== undefined && this.isOpen(job) ? job : undefined;
  }

  private runs(): (Job | undefined)[] {
    return this.cells.flatMap((cell) => this.config.seeds.map((seed) => this.run(cell, seed)));
  }

  private knownTrials(): Job[] {
    return this.cells.flatMap((cell) => this.trialsIn(cell).jobs);
  }

  /** Undefined as long as it is not known what is run. */
  private run(cell: Cell, seed: number): Job | undefined {
    const { chosen } = this.trialsIn(cell);
    if (chosen === undefined) return undefined;
    return this.jobsCalled(cell, `${nameOf(chosen)} ${seed}`, () => [
      runOf(this.config, cell, { ...chosen, seed }, this.dataOf(cell.task.name), this.code),
    ])[0]!;
  }

  /** The trials of a cell as far as they are known, and, where all have ended, what they chose. */
  private trialsIn(cell: Cell): { readonly jobs: Job[]; readonly chosen: Candidate | undefined } {
    const { candidates, rounds } = this.planned.get(cell)!;
    const jobs: Job[] = [];
    let standing: readonly Candidate[] = candidates;
    for (const round of rounds) {
      const tried = standing.slice(0, round.count).map((candidate) => {
        const make = () => trialsOf(this.config, cell, candidate, round, this.dataOf(cell.task.name), this.code);
        return { candidate, jobs: this.jobsCalled(cell, `${nameOf(candidate)} for ${round.share}`, make) };
      });
      jobs.push(...tried.flatMap((one) => one.jobs));
      if (!jobs.every((job) => this.isDone(job) || this.ended.has(job.key))) return { jobs, chosen: undefined };
      const outcomes = tried.map((one) => ({ ...one, trials: one.jobs.map((job) => this.records.get(job)) }));
      standing = ranked(outcomes).map(({ candidate }) => candidate);
    }
    return { jobs, chosen: standing[0] };
  }

  private jobsCalled(cell: Cell, name: string, make: () => Job[]): Job[] {
    const known = this.made.get(cell) ?? new Map<string, Job[]>();
    this.made.set(cell, known);
    const jobs = known.get(name) ?? make();
    known.set(name, jobs);
    return jobs;
  }

  private isDone(job: Job): boolean {
    return this.records.get(job)?.status === 'done';
  }

  private isOpen(job: Job): boolean {
    return !this.isDone(job) && !this.started.has(job.key);
  }
}

const nameOf = (candidate: Candidate) => JSON.stringify(candidate);
