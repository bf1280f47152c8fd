import type { Job } from './jobs.js';
import type { CompareRecord } from './records.js';

/** Records by key. */
export class RecordStore {
  private readonly byKey = new Map<string, CompareRecord>();
  private readonly byName = new Map<string, CompareRecord>();

  constructor(
    records: readonly CompareRecord[],
    private readonly anyCode: boolean,
    /** That of records that do not name theirs, as those before there could be several. */
    private readonly usualBudget?: number,
  ) {
    for (const record of records) this.add(record);
  }

  add(record: CompareRecord): void {
    this.byKey.set(record.key, record);
    this.byName.set(this.nameOf(record), record);
  }

  /** The record of a job, failed ones too. */
  get(job: Job): CompareRecord | undefined {
    const found = this.byKey.get(job.key);
    if (found !== undefined || !this.anyCode) return found;
    const { kind, cell, seed, lr } = job;
    const { model, task, method, budget } = cell;
    return this.byName.get(this.nameOf({ kind, model, task: task.name, method: method.name, budget, seed, lr }));
  }

  private nameOf({ kind, model, task, method, budget = this.usualBudget, seed, lr }: Named): string {
    return JSON.stringify([kind, model, task, method, budget, seed, lr]);
  }
}

type Named = Pick<CompareRecord, 'kind' | 'model' | 'task' | 'method' | 'budget' | 'seed' | 'lr'>;
