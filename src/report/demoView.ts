import { mean, sampleDeviation } from '../jobs/compare/statistics.js';
import type { DemoResult, DemoRun } from '../jobs/demo.js';
import { wrapped } from '../wrapped.js';
import { heatMap, type Screen } from './heatMap.js';
import { formatFacts, formatTable } from './table.js';
import { formatBytes, formatCount, formatScore, formatSeconds } from './units.js';

/** What the demo prints at the end: where to adapt, the methods beside each other, and what to try next. */
export function demoView(result: DemoResult, screen: Screen): string {
  const { examples, dam, seconds, output } = result;
  const methods = [...new Set(result.runs.map(({ method }) => method))];
  const runsOf = methods.map((method) => result.runs.filter((run) => run.method === method));
  const [kept] = result.runs;
  const metrics = Object.keys(kept!.scores) as (keyof DemoRun['scores'])[];
  const [first] = metrics;
  const row = (title: string, cell: (runs: readonly DemoRun[]) => string) => [title, ...runsOf.map(cell)];
  const meanRow = (title: string, value: (run: DemoRun) => number, format: (value: number) => string) =>
    row(title, (runs) => format(mean(runs.map(value))));
  const scoreOf = (run: DemoRun, metric: keyof DemoRun['scores']) => run.scores[metric] ?? Number.NaN;
  const seeds = runsOf[0]!.map(({ seed }, i) =>
    row(`${first}, seed ${seed}`, (runs) => formatScore(scoreOf(runs[i]!, first!))),
  );
  const cells = [
    ...seeds,
    ...metrics.map((metric) => row(metric, (runs) => withSpread(runs.map((run) => scoreOf(run, metric))))),
    meanRow('modules', ({ modules }) => modules, formatCount),
    meanRow('trained numbers', ({ parameters }) => parameters, formatCount),
    meanRow('search', (run) => run.seconds.search, formatSeconds),
    meanRow('training', (run) => run.seconds.training, formatSeconds),
    meanRow('peak memory', ({ peakMemoryBytes }) => peakMemoryBytes, formatBytes),
    meanRow('adapter file', ({ adapterBytes }) => adapterBytes, formatBytes),
  ];
  const columns = [{ title: '' }, ...methods.map((title) => ({ title, align: 'right' as const }))];
  const what =
    `Mean of ${runsOf[0]!.length} seeds, ± standard deviation; each trained on ${formatCount(examples.train)} examples ` +
    `and scored on ${formatCount(examples.dev)}. The rank is the same, so fewer modules are fewer numbers.`;
  const facts = [
    ['total time', formatSeconds(seconds)],
    ['written to', `${output} (${kept!.method}, seed ${kept!.seed})`],
  ] as const;
  const next = `npx diffora predict --adapter ${output} --text 'You have won a free holiday, click here'`;
  return [
    heatMap(dam, screen),
    formatTable(columns, cells, screen),
    wrapped(what, screen.width).join('\n'),
    formatFacts(facts, screen),
    `Next: ${next}`,
  ].join('\n\n');
}

const withSpread = (scores: readonly number[]) =>
  `${formatScore(mean(scores))} ± ${formatScore(sampleDeviation(scores) ?? Number.NaN)}`;
