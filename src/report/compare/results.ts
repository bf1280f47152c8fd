import type { CompareConfig } from '../../jobs/compare/config.js';
import type { CompareRecord } from '../../jobs/compare/records.js';
import type { Interval } from '../../jobs/compare/statistics.js';
import {
  isClear,
  isClearByLoss,
  type MeanScore,
  type MethodSummary,
  type Ranking,
  type TableSummary,
} from '../../jobs/compare/summary.js';
import { formatBytes, formatCount, formatLoss, formatScore, formatSeconds } from '../units.js';

/** results.csv: one line a run, every metric and every setting that was drawn in a column of its own. RFC 4180. */
export function resultsCsv(runs: readonly CompareRecord[]): string {
  const metrics = [...new Set(runs.flatMap(({ scores }) => Object.keys(scores ?? {})))];
  const drawn = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings ?? {})))];
  const columns: readonly (readonly [string, (run: CompareRecord) => unknown])[] = [
    ['model', (run) => run.model],
    ['task', (run) => run.task],
    ['method', (run) => run.method],
    ['budget', (run) => run.budget],
    ['seed', (run) => run.seed],
    ['learning_rate', (run) => run.lr],
    ...drawn.map((key) => [key, (run: CompareRecord) => run.settings?.[key]] as const),
    ['status', (run) => run.status],
    ...metrics.map((name) => [name, (run: CompareRecord) => run.scores?.[name]] as const),
    ['validation_loss', (run) => run.validation?.loss],
    ['trained_parameters', (run) => run.parameters?.trainable],
    ['adapter_parameters', (run) => run.parameters?.adapter],
    ['adapter_parameters_kept', (run) => run.parameters?.kept],
    ['base_parameters_trained', (run) => run.parameters?.replaced],
    ['head_parameters', (run) => run.parameters?.head],
    ['search_steps', (run) => run.steps?.search],
    ['training_steps', (run) => run.steps?.train],
    ['seconds', (run) => run.seconds?.total],
    ['peak_memory_bytes', (run) => run.peakMemoryBytes],
    ['adapter_bytes', (run) => run.adapterBytes],
    ['threads', (run) => run.threads],
    ['code', (run) => run.code],
    ['error', (run) => run.error],
  ];
  const lines = [
    columns.map(([title]) => title),
    ...runs.map((run) => columns.map(([, value]) => csvCell(value(run)))),
  ];
  return lines.map((cells) => `${cells.join(',')}\n`).join('');
}

function csvCell(value: unknown): string {
  const text = value === undefined || value === null ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** results.md: a table for each model and task. */
export function resultsMarkdown(config: CompareConfig, tables: readonly TableSummary[], missing: number): string {
  const parts = [
    `# ${config.title}`,
    introduction(config, missing),
    ...tables.map((table) => tableMarkdown(config, table)),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** What holds for all tables, in sentences. */
export function introduction(
  {
    budgets,
    tolerance,
    seeds,
    methods,
    scoreOn,
    validationShare,
    validationLoss,
    trialSeeds,
    tune,
    reference,
  }: CompareConfig,
  missing: number,
): string {
  const trials = methods[0]!.learningRates.length;
  const tried = trialSeeds.length === 1 ? '' : `, by the mean over ${trialSeeds.length} seeds`;
  const on = `on ${100 * validationShare} % of the training examples, held out${tried}; the dev split was scored once by each run.`;
  const drawn = Object.keys(tune?.ranges ?? {}).join(', ');
  const halving =
    tune === undefined || tune.factor === 1 ? '' : `, by successive halving (one in ${tune.factor} goes on),`;
  const chosen =
    tune !== undefined
      ? `For each method ${drawn} are the best of ${tune.trials} draws${halving} ${on}`
      : trials === 1
        ? 'The learning rate is fixed for each method.'
        : `The learning rate of each method is the best of ${trials} ${on}`;
  const scored =
    scoreOn === 'dev'
      ? 'on the dev split'
      : `on ${100 * validationShare} % of the training examples, held out (dev was not read)`;
  const held =
    scoreOn === 'dev'
      ? `${100 * validationShare} % of the training examples, held out of every run`
      : 'the same examples';
  const loss = validationLoss ? `Validation loss, the lower the better, is the mean loss of ${held}. ` : '';
  const unfinished = missing === 0 ? '' : ` **${missing === 1 ? '1 run is' : `${missing} runs are`} still missing.**`;
  return (
    `Mean ± standard deviation over ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds`}, ${scored}. ` +
    `${budgetsText(budgets)}; a method that misses it by more than ${100 * tolerance} % is marked with *. ${chosen} ${loss}` +
    `Differences to ${reference} are paired by seed and example, with 95 % bootstrap intervals over both. The best score is bold only where the interval of its difference to the runner-up leaves 0 out.${unfinished}`
  );
}

function budgetsText(budgets: readonly number[]): string {
  const [last, ...others] = budgets.map(formatCount).reverse();
  if (others.length === 0) return `Budget: ${last} trained numbers, head apart`;
  return `Budgets: ${others.reverse().join(', ')} and ${last} trained numbers, head apart, each with tables of its own`;
}

/** `, 20,736 numbers`, where there are several budgets. */
export function budgetPart({ budget }: TableSummary, { budgets }: CompareConfig): string {
  return budgets.length === 1 ? '' : `, ${formatCount(budget)} numbers`;
}

/** Which methods cannot be as small as the budget of a table, what was drawn for the others, and which have no rate to be sure of. */
export function notesOf({ leftOut, methods }: TableSummary, { reference }: CompareConfig): string[] {
  return [
    ...leftOut.map(({ method, reason }) => {
      const effect = method === reference ? ' Nothing is compared with it here.' : '';
      return `${method} is left out: ${reason}${effect}`;
    }),
    ...methods.flatMap(({ method, drawn }) => {
      const settings = Object.entries(drawn).map(([key, value]) => `${key} ${value}`);
      return settings.length === 0 ? [] : [`${method}: drawn and chosen were ${settings.join(', ')}.`];
    }),
    ...methods.flatMap(({ method, lr, hasFallen }) =>
      hasFallen
        ? [
            `${method}: a trial of rate ${lr} was no better than one answer for all examples, as one of all else that was tried was.`,
          ]
        : [],
    ),
  ];
}

function tableMarkdown(config: CompareConfig, table: TableSummary): string {
  const { model, task, metrics, methods, examples } = table;
  const titles = [
    'method',
    ...metrics,
    `${metrics[0]} − ${config.reference}`,
    ...lossTitles(table, config),
    'trained numbers',
    'off budget',
    'rate',
    'time',
    'memory',
  ];
  const rows = methods.map((one) => [
    one.method,
    ...metrics.map((name, i) => {
      const text = scoreText(one.scores[name], one.runs.length);
      return i === 0 && one.method === table.best && isClear(table) ? `**${text}**` : text;
    }),
    one.method === config.reference ? '' : intervalText(one.difference),
    ...lossCells(table, one, (text) => `**${text}**`),
    ...factsOf(config, one),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  const notes = notesOf(table, config).map((text) => `- ${text}`);
  const failures = failuresOf(methods).map((text) => `- ${text}`);
  return [
    `## ${task}, ${model}${budgetPart(table, config)} (${formatCount(examples)} examples scored)`,
    [line(titles), line(titles.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n'),
    verdicts(table),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
    ...(failures.length === 0 ? [] : [failures.join('\n')]),
  ].join('\n\n');
}

/** Titles of the columns about validation loss; none where it was not reported. */
export function lossTitles({ byLoss }: TableSummary, { reference }: CompareConfig): string[] {
  return byLoss === undefined ? [] : ['validation loss', `loss − ${reference}`];
}

/** @param strong marks the best, where it is told from the next */
export function lossCells(table: TableSummary, one: MethodSummary, strong = (text: string) => text): string[] {
  if (table.byLoss === undefined) return [];
  const text = scoreText(one.validationLoss, one.runs.length, formatLoss);
  const isBest = one.method === table.byLoss.best && isClearByLoss(table);
  return [isBest ? strong(text) : text, intervalText(one.lossDifference, formatLoss)];
}

/** Cells that every form of the table has: size, distance from the budget, rate, time, memory. */
export function factsOf({ tolerance }: CompareConfig, one: MethodSummary): string[] {
  const { size, offBudget, lr, seconds, peakMemoryBytes } = one;
  const off = offBudget === undefined ? '' : `${offBudget >= 0 ? '+' : '−'}${(100 * Math.abs(offBudget)).toFixed(1)} %`;
  return [
    size === undefined ? '' : formatCount(size),
    offBudget !== undefined && Math.abs(offBudget) > tolerance ? `${off} *` : off,
    lr === undefined ? '' : String(lr),
    seconds === undefined ? '' : formatSeconds(seconds),
    peakMemoryBytes === undefined ? '' : formatBytes(peakMemoryBytes),
  ];
}

export function scoreText(score: MeanScore | undefined, runs: number, format = formatScore): string {
  if (score === undefined || runs === 0) return 'no run';
  if (!Number.isFinite(score.mean)) return 'undefined';
  return score.deviation === undefined ? format(score.mean) : `${format(score.mean)} ± ${format(score.deviation)}`;
}

export function intervalText(interval: Interval | undefined, format = formatScore): string {
  if (interval === undefined) return '';
  const signed = (value: number) => `${value < 0 ? '−' : '+'}${format(Math.abs(value))}`;
  const { mean, low, high } = interval;
  return `${signed(mean)} (${signed(low)} to ${signed(high)})`;
}

/** Whether the best can be told from the runner-up, in a sentence; by validation loss in a second. */
export function verdicts(table: TableSummary): string {
  const { metrics, byLoss } = table;
  const ofScore = verdict(table, isClear(table), (lead) => `${metrics[0]} ${intervalText(lead)}`);
  if (byLoss === undefined) return ofScore;
  return `${ofScore} ${verdict(byLoss, isClearByLoss(table), (lead) => `validation loss ${intervalText(lead, formatLoss)}`)}`;
}

function verdict({ best, runnerUp, lead }: Ranking, isAhead: boolean, inWords: (lead: Interval) => string): string {
  if (best === undefined || runnerUp === undefined || lead === undefined) return 'Too few runs to compare.';
  const by = inWords(lead);
  return isAhead
    ? `${best} is ahead of ${runnerUp}: ${by}.`
    : `${best} and ${runnerUp}, the two best, cannot be told apart: ${by}.`;
}

export function failuresOf(methods: readonly MethodSummary[]): string[] {
  return methods.flatMap(({ failed }) =>
    failed.map(({ method, seed, error }) => `${method}, seed ${seed}, failed: ${error}`),
  );
}
