import { join } from 'node:path';
import { writeFileAtomic } from '../../files/atomic.js';
import type { Comparison } from '../../jobs/compare/run.js';
import type { Shard } from '../../jobs/compare/shard.js';
import { summarise, type TableSummary } from '../../jobs/compare/summary.js';
import { reportPage } from './page.js';
import { resultsCsv, resultsMarkdown } from './results.js';

/** What a comparison prints. */
export interface ComparisonSummary {
  readonly config: Comparison['config'];
  readonly tables: readonly TableSummary[];
  readonly runs: number;
  readonly failed: number;
  readonly missing: number;
  readonly trained: number;
  readonly found: number;
  /** The tables are of its cells alone, and are not written. */
  readonly shard?: Shard | undefined;
}

/** Writes results.jsonl, results.csv, results.md and report.html beside the records; of a shard nothing. */
export async function writeComparison(
  comparison: Comparison,
  output: string,
  shard?: Shard,
): Promise<ComparisonSummary> {
  const { config, runs, missing, trained, found } = comparison;
  const tables = summarise(comparison);
  const files = {
    'results.jsonl': runs.map((run) => `${JSON.stringify(run)}\n`).join(''),
    'results.csv': resultsCsv(runs),
    'results.md': resultsMarkdown(config, tables, missing),
    'report.html': reportPage(config, tables, missing),
  };
  if (shard === undefined) {
    for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(output, name), content);
  }
  const failed = runs.filter(({ status }) => status === 'failed').length;
  return { config, tables, runs: runs.length, failed, missing, trained, found, shard };
}
