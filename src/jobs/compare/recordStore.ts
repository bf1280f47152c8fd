import type { Job } from './jobs.js';
import type { CompareRecord } from './records.js';

/** Records by key. */
export class RecordStore {
  private readonly byKey = new Map<string, CompareRecord>();
  private readonly byName = new Map<string, CompareRecord>();

  constructor(
    records: readonly CompareRecord[],
    private readonly anyCode: boolean,
  ) {
    for (const record of records) this.add(record);
  }

  add(record: CompareRecord): void {
    this.byKey.set(record.key, record);
    this.byName.set(nameOf(record), record);
  }

  /** The record of a job, failed ones too. */
  get(job: Job): CompareRecord | undefined {
    const found = this.byKey.get(job.key);
    if (found !== undefined || !this.anyCode) return found;
    const { kind, cell, seed, lr } = job;
    const { model, task, method } = cell;
    return this.byName.get(nameOf({ kind, model, task: task.name, method: method.name, seed, lr }));
  }
}

type Named = Pick<CompareRecord, 'kind' | 'model' | 'task' | 'method' | 'seed' | 'lr'>;
const nameOf = ({ kind, model, task, method, seed, lr }: Named) =>
  JSON.stringify([kind, model, task, method, seed, lr]);
