import type { GramInspection } from '../jobs/gram.js';
import type { GramReport } from '../selection/gram.js';
import type { Screen } from './heatMap.js';
import { formatTable } from './table.js';

/** What `inspect --gram` prints: a row for the matrix of the run, one for random ones, one for all modules. */
export function gramView({ chosen, random, all, examples }: GramInspection, screen: Screen): string {
  const row = (name: string, { smallestEigenvalue, condition, complexity }: GramReport) => [
    name,
    smallestEigenvalue.toPrecision(4),
    condition.toPrecision(4),
    Number.isFinite(complexity) ? complexity.toPrecision(4) : 'infinite',
  ];
  const columns = [
    { title: 'modules' },
    { title: 'λ min', align: 'right' },
    { title: 'condition', align: 'right' },
    { title: 'yᵀH⁻¹y/n', align: 'right' },
  ] as const;
  const rows = [row('chosen', chosen), row(`random, mean of ${random.draws}`, random), row('all', all)];
  const told = `${random.betterThanChosen} of ${random.draws} random choices have a larger λ min than the chosen one.`;
  return `Gram matrix of ${examples} examples, before training\n\n${formatTable(columns, rows, screen)}\n\n${told}`;
}
