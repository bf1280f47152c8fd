/**
 * The mask oracle: what a selection of modules is worth. One kept set of columns for all layers, 3 of 6, gives 20 masks:
 * few enough to train them all on a real task and to see where the choice of each selection method lies.
 *
 *     npm run bench:selection -- masks   [--tasks sst2,stsb,mrpc] [--seeds 1,2] [--threads N]
 *     npm run bench:selection -- methods [--tasks …] [--seeds …] [--threads N]
 *     npm run bench:selection -- report  [--tasks …]
 *
 * `masks` trains and scores every mask, `methods` selects with every method, `report` places its masks among all; without
 * a word all three are done. Each keeps each result in docs/results/selection/ as soon as they have it, and go on where they were stopped. Data: DIFFORA_DATA or
 * ../shared/data. Scores are on a part of the training data held out here: the dev sets are not touched.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loraPlan } from '../src/adapters/methods/lora.js';
import { holdOut, subsample } from '../src/data/stratify.js';
import type { EncodedExample } from '../src/engine/batch.js';
import { adapterParameters, headParameters } from '../src/engine/parameters.js';
import { writeFileAtomic } from '../src/files/atomic.js';
import { predictLogits } from '../src/infer/predictLogits.js';
import { fineTune } from '../src/jobs/fineTune.js';
import { selectionSettingsOf } from '../src/jobs/selectModules.js';
import { openWorkspace, type Workspace } from '../src/jobs/workspace.js';
import { argmaxRows } from '../src/metrics/metrics.js';
import { rowScores } from '../src/metrics/ofRows.js';
import { openModelByName } from '../src/models/loading/openedModel.js';
import { silent } from '../src/reporter.js';
import { discretise } from '../src/selection/discretise.js';
import type { SelectionSettings } from '../src/selection/method.js';
import { type SelectionName, selectionMethods } from '../src/selection/registry.js';
import { learningRateOf, parseTrainConfig, type TrainConfig } from '../src/settings/config.js';
import { halvesBy } from './halves.js';
import { meanLoss } from './meanLoss.js';

const folder = fileURLToPath(new URL('../docs/results/selection', import.meta.url));
const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    tasks: { type: 'string', default: 'sst2,stsb,mrpc' },
    seeds: { type: 'string', default: '1,2' },
    threads: { type: 'string', default: '2' },
  },
});
const tasks = flags.tasks.split(',');
const seeds = flags.seeds.split(',').map(Number);
const threads = Number(flags.threads);

/** Small enough that a mask takes under a minute, large enough that masks differ. */
const sizes: Readonly<Record<string, { train: number; validation: number; epochs: number }>> = {
  sst2: { train: 2000, validation: 1000, epochs: 2 },
  stsb: { train: 1500, validation: 1000, epochs: 2 },
  mrpc: { train: 1500, validation: 800, epochs: 2 },
};
const kept = 3;
const usual = parseTrainConfig({ task: 'any' }, 'bench');

/** A way of the search, whatever the defaults are. */
function way(
  relax: SelectionSettings['relax'],
  damOptimizer: SelectionSettings['damOptimizer'],
  more: Partial<SelectionSettings> = {},
): Partial<SelectionSettings> {
  return { relax, damOptimizer, damInit: 'zero', searchOrder: 'first', entropyWeight: 0, ...more };
}
const fromNorms = { damInit: 'gradient-norm' } as const;

/** Ways of the search that are tried. */
const searches: Readonly<Record<string, Partial<SelectionSettings>>> = {
  'diffora: sigmoid, adam': way('sigmoid', 'adam'),
  'diffora: softmax, adam': way('softmax', 'adam'),
  'diffora: budget, adam': way('budget', 'adam'),
  'diffora: gumbel, adam': way('gumbel', 'adam'),
  'diffora: sigmoid, gradient': way('sigmoid', 'gradient'),
  'diffora: budget, gradient': way('budget', 'gradient'),
  'diffora: softmax, mirror': way('softmax', 'mirror'),
  'diffora: budget, mirror': way('budget', 'mirror'),
  'diffora: gumbel, gradient': way('gumbel', 'gradient'),
  'diffora: sigmoid, gradient, from gradient norms': way('sigmoid', 'gradient', fromNorms),
  'diffora: budget, gradient, from gradient norms': way('budget', 'gradient', fromNorms),
  'diffora: softmax, mirror, from gradient norms': way('softmax', 'mirror', fromNorms),
  'diffora: sigmoid, adam, entropy 0.1': way('sigmoid', 'adam', { entropyWeight: 0.1 }),
  'diffora: sigmoid, adam, second order': way('sigmoid', 'adam', { searchOrder: 'second' }),
};
const others: readonly SelectionName[] = [
  'random',
  'inverted',
  'gradient-norm',
  'output-norm',
  'gram',
  'leave-one-out',
];

/** One trained mask, or one selection. */
interface MaskScore {
  readonly columns: string;
  readonly seed: number;
  readonly loss: number;
  readonly score: number;
  readonly seconds: number;
}
interface Choice {
  readonly method: string;
  readonly columns: string;
  readonly seed: number;
  readonly seconds: number;
  readonly values: readonly number[];
}

for (const name of positionals[0] === 'report' ? [] : tasks) {
  const size = sizes[name];
  if (size === undefined) throw new Error(`no sizes for the task ${name}; known: ${Object.keys(sizes).join(', ')}`);
  const config = parseTrainConfig(
    {
      task: name,
      dataDir: process.env.DIFFORA_DATA ?? fileURLToPath(new URL('../../shared/data', import.meta.url)),
      method: 'lora',
      epochs: size.epochs,
      threads,
    },
    'bench',
  );
  const workspace = await openWorkspace(config, silent);
  const parts = partsOf(workspace, size);
  if (positionals[0] !== 'methods') await trainMasks(name, workspace, parts, config);
  if (positionals[0] !== 'masks') await select(name, workspace, parts, config);
}
await report();

interface Parts {
  readonly train: readonly EncodedExample[];
  readonly validation: readonly EncodedExample[];
}

/** The same parts for every mask, method and seed. */
function partsOf({ train }: Workspace, { train: count, validation }: { train: number; validation: number }): Parts {
  const all = subsample(train.encoded, count + validation, 1);
  const { kept: rest, heldOut } = holdOut(all, validation / (count + validation), 1);
  return { train: rest, validation: heldOut };
}

async function trainMasks(name: string, { opened, task }: Workspace, parts: Parts, base: TrainConfig) {
  const { model } = opened;
  const file = join(folder, `masks-${name}.jsonl`);
  const done = read<MaskScore>(file);
  for (const seed of seeds) {
    for (const columns of combinations(model.modules.length, kept)) {
      const key = columns.map((column) => model.modules[column]).join(' + ');
      if (done.some((one) => one.columns === key && one.seed === seed)) continue;
      const started = performance.now();
      const own = model.adaptable.filter(({ module }) => columns.includes(model.modules.indexOf(module)));
      const { optimisation } = base;
      const plan = loraPlan(base.method, { own, shared: [] });
      const parameters = [...(await adapterParameters(plan, model, seed)), ...(await headParameters(model, seed))];
      await fineTune(model, plan, parameters, parts.train, {
        objective: task.kind.objective(),
        optimisation,
        learningRate: learningRateOf(base),
        run: { seed, threads },
      });
      const logits = await predictLogits(model, plan, parameters, parts.validation, { threads });
      const labels = parts.validation.map(({ label }) => label!);
      const scores = rowScores(task.metrics, argmaxRows(logits, model.numLabels), labels, model.numLabels);
      const result: MaskScore = {
        columns: key,
        seed,
        loss: round(meanLoss(logits, labels, model.numLabels)),
        score: round(scores[task.metrics[0]!]!),
        seconds: Math.round((performance.now() - started) / 1000),
      };
      done.push(result);
      await write(file, done);
      console.log(name, JSON.stringify(result));
    }
  }
}

async function select(name: string, { opened, task }: Workspace, parts: Parts, base: TrainConfig) {
  const { model } = opened;
  const file = join(folder, `choices-${name}.jsonl`);
  const done = read<Choice>(file);
  const allowance = {
    scope: 'column' as const,
    keep: kept / model.modules.length,
    sizes: Array.from({ length: model.layers }, () => model.modules.map(() => 1)),
  };
  const wanted = [
    ...others.map((method) => ({ label: method as string, method, changes: {} })),
    ...Object.entries(searches).map(([label, changes]) => ({ label, method: 'diffora' as const, changes })),
  ];
  for (const { label, method, changes } of wanted) {
    for (const seed of seeds) {
      if (done.some((one) => one.method === label && one.seed === seed)) continue;
      const started = performance.now();
      const halves = halvesBy(parts.train);
      const own = halves(seed);
      const selected = await selectionMethods[method].select({
        model,
        objective: task.kind.objective(),
        halves: own,
        halvesBy: halves,
        settings: {
          ...selectionSettingsOf(base, own.train.length),
          seed,
          ...changes,
        },
        allowance,
        phase: () => ({ update: () => {}, end: () => {} }),
      });
      const gamma = selected.gamma ?? discretise(selected.values, allowance);
      const columns = model.modules.filter((_, column) => gamma[0]![column] === 1).join(' + ');
      const sums = model.modules.map((_, column) =>
        round(selected.values.reduce((sum, row) => sum + row[column]!, 0) / model.layers),
      );
      done.push({
        method: label,
        columns,
        seed,
        seconds: Math.round((performance.now() - started) / 1000),
        values: sums,
      });
      await write(file, done);
      console.log(name, label, seed, columns);
    }
  }
}

/** Means over seeds of a task's masks, and the best, mean and worst of them. */
function maskTable(name: string) {
  const masks = read<MaskScore>(join(folder, `masks-${name}.jsonl`));
  const columns = [...new Set(masks.map((one) => one.columns))];
  const of = (one: string) => masks.filter((mask) => mask.columns === one);
  const table = new Map(
    columns.map((one) => [
      one,
      { loss: mean(of(one).map(({ loss }) => loss)), score: mean(of(one).map(({ score }) => score)) },
    ]),
  );
  const losses = [...table.values()].map(({ loss }) => loss);
  const scores = [...table.values()].map(({ score }) => score);
  return {
    runs: masks.length,
    table,
    best: { loss: Math.min(...losses), score: Math.max(...scores) },
    middle: { loss: mean(losses), score: mean(scores) },
    worst: { loss: Math.max(...losses), score: Math.min(...scores) },
  };
}

/** The masks with the most trainable numbers: choosing by size alone takes one of them. */
async function largestModules(): Promise<string[]> {
  const { model } = await openModelByName(usual.data.model, { numLabels: 2 }, silent);
  const sizes = model.modules.map((name) => {
    const { inFeatures, outFeatures } = model.adaptable.find(({ module }) => module === name)!;
    return inFeatures + outFeatures;
  });
  const masks = combinations(model.modules.length, kept).map((columns) => ({
    name: columns.map((column) => model.modules[column]).join(' + '),
    size: columns.reduce((sum, column) => sum + sizes[column]!, 0),
  }));
  const largest = Math.max(...masks.map(({ size }) => size));
  return masks.filter(({ size }) => size === largest).map(({ name }) => name);
}

/** Markdown tables: the masks of each task, and each method's regret: the loss of its masks above that of the best. */
async function report(): Promise<void> {
  const known = tasks.filter((name) => existsSync(join(folder, `masks-${name}.jsonl`)));
  const found = known.map((name) => ({
    name,
    ...maskTable(name),
    choices: read<Choice>(join(folder, `choices-${name}.jsonl`)),
  }));
  console.log(
    '| task | runs | best mask | loss: best, mean, worst | score: best, mean, worst |\n|---|---|---|---|---|',
  );
  for (const { name, runs, table, best, middle, worst } of found) {
    const winner = [...table].find(([, { loss }]) => loss === best.loss)![0];
    const three = (of: 'loss' | 'score') => [best, middle, worst].map((one) => one[of].toFixed(3)).join(', ');
    console.log(`| ${name} | ${runs} | ${winner} | ${three('loss')} | ${three('score')} |`);
  }
  console.log(
    `\n| selection | ${known.map((name) => `${name}: regret (of the way to the best)`).join(' | ')} | mean | seconds |`,
  );
  console.log(`|---|${known.map(() => '---|').join('')}---|---|`);
  const control = await largestModules();
  const methods = [...new Set(found.flatMap(({ choices }) => choices.map(({ method }) => method)))];
  const rows = methods.map((method) => {
    const cells = found.map(({ choices, table, best, middle }) => {
      const of = choices.filter((one) => one.method === method && table.has(one.columns));
      if (of.length === 0) return undefined;
      const loss = mean(of.map((one) => table.get(one.columns)!.loss));
      return { regret: loss - best.loss, way: (middle.loss - loss) / (middle.loss - best.loss) };
    });
    const seconds = mean(
      found.flatMap(({ choices }) => choices.filter((one) => one.method === method)).map((one) => one.seconds),
    );
    return { method, cells, seconds, way: mean(cells.flatMap((cell) => (cell === undefined ? [] : [cell.way]))) };
  });
  const cells = found.map(({ table, best, middle }) => {
    const loss = mean(control.flatMap((columns) => (table.has(columns) ? [table.get(columns)!.loss] : [])));
    return { regret: loss - best.loss, way: (middle.loss - loss) / (middle.loss - best.loss) };
  });
  rows.push({ method: 'control: the largest modules', cells, seconds: 0, way: mean(cells.map((cell) => cell.way)) });
  for (const { method, cells, seconds, way } of rows.sort((a, b) => b.way - a.way)) {
    const shown = cells.map((cell) => (cell ? `${cell.regret.toFixed(4)} (${(100 * cell.way).toFixed(0)} %)` : ''));
    console.log(`| ${method} | ${shown.join(' | ')} | ${(100 * way).toFixed(0)} % | ${seconds.toFixed(0)} |`);
  }
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
}

function combinations(n: number, k: number): number[][] {
  if (k === 0) return [[]];
  return Array.from({ length: n - k + 1 }, (_, first) =>
    combinations(n - first - 1, k - 1).map((rest) => [first, ...rest.map((one) => one + first + 1)]),
  ).flat();
}

function round(value: number): number {
  return Math.round(value * 1e5) / 1e5;
}

function read<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

async function write(file: string, rows: readonly unknown[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await writeFileAtomic(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
