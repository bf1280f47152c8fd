import type { Screen } from '../heatMap.js';
import { formatFacts, formatTable } from '../table.js';
import { budgetPart, factsOf, failuresOf, intervalText, lossCells, notesOf, scoreText, verdicts } from './results.js';
import type { ComparisonSummary } from './write.js';

/** What a finished `compare` prints: a table for each task, then the facts. */
export function comparisonView(summary: ComparisonSummary, output: string, screen: Screen): string {
  const { config, tables, runs, failed, missing, trained, found, shard } = summary;
  const parts = tables.map((table) => {
    const { metrics, methods, task, model } = table;
    const titles = [
      ...metrics,
      `− ${config.reference}`,
      ...(table.byLoss === undefined ? [] : ['loss']),
      'numbers',
      'off budget',
    ];
    const rows = methods.map((one) => [
      one.method,
      ...metrics.map((name) => scoreText(one.scores[name], one.runs.length)),
      intervalText(one.difference),
      // The differences are in the files: a narrow terminal has no room for a second interval.
      ...lossCells(table, one).slice(0, 1),
      ...factsOf(config, one).slice(0, 2),
    ]);
    const columns = [{ title: 'method' }, ...titles.map((title) => ({ title, align: 'right' as const }))];
    const heading = `${config.models.length === 1 ? task : `${task}, ${model}`}${budgetPart(table, config)}`;
    const notes = [verdicts(table), ...notesOf(table, config), ...failuresOf(methods)];
    return [heading, formatTable(columns, rows, screen), ...notes].join('\n');
  });
  const counts = [`${runs - failed} done`, `${failed} failed`, `${missing} missing`];
  return [
    ...parts,
    formatFacts(
      [
        ['runs', counts.join(', ')],
        ['this time', `${trained} runs and trials trained, ${found} found done`],
        shard === undefined
          ? ['written to', `${output} (results.jsonl, results.csv, results.md, report.html)`]
          : [
              'shard',
              `${shard.index} of ${shard.count}; with --report-only in its place the tables of all are written`,
            ],
      ],
      screen,
    ),
  ].join('\n\n');
}
