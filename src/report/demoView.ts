import type { DemoResult } from '../jobs/demo.js';
import { heatMap, type Screen } from './heatMap.js';
import { formatFacts, formatTable } from './table.js';
import { formatBytes, formatCount, formatScore, formatSeconds } from './units.js';

/** What the demo prints at the end: where to adapt, the methods beside each other, and what to try next. */
export function demoView({ rows, dam, seconds, peakMemoryBytes, output }: DemoResult, screen: Screen): string {
  const metrics = Object.keys(rows[0]?.scores ?? {}) as (keyof DemoResult['rows'][number]['scores'])[];
  const columns = [
    { title: 'method' },
    { title: 'parameters', align: 'right' },
    ...metrics.map((title) => ({ title, align: 'right' }) as const),
    { title: 'time', align: 'right' },
  ] as const;
  const cells = rows.map((row) => [
    row.name,
    formatCount(row.parameters),
    ...metrics.map((metric) => formatScore(row.scores[metric] ?? Number.NaN)),
    formatSeconds(row.seconds),
  ]);
  const facts = [
    ['total time', formatSeconds(seconds)],
    ['peak memory', formatBytes(peakMemoryBytes)],
    ['written to', output],
  ] as const;
  const next = `npx diffora predict --adapter ${output} --text 'You have won a free holiday, click here'`;
  return [heatMap(dam, screen), formatTable(columns, cells, screen), formatFacts(facts, screen), `Next: ${next}`].join(
    '\n\n',
  );
}
