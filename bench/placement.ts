/**
 * Where adapters should go at a budget: selections beside each other on one model, many trainings at once as lanes of one
 * graph (graph/passes/vectorise.ts).
 *
 *     npm run bench:placement -- choose --task mrpc --output FOLDER [--model M] [--data-dir DIR]
 *                                       [--seeds 1,2,…] [--selections …] [--threads N]
 *     npm run bench:placement -- train  --task mrpc --output FOLDER … [--budgets …] [--lanes N] [--minutes M] [--device cpu|cuda]
 *     npm run bench:placement -- report --output FOLDER
 *
 * Every seed has its own order of the data, its own A and head; one tenth of the training examples (seed 1) is held out from all
 * of them. Chosen are modules on the rest, trained is on the rest, for two epochs at 1e-3, then the loss is measured on what was
 * held out and the first metric on dev. A line a training is added to FOLDER/TASK.jsonl; what stands there is not repeated.
 * `gradient-norm-per-parameter` is `gradient-norm` with --measure-per parameter, and so for every other. `top-3` are all modules of
 * the upper three layers, `within-top-3` what DiffoRA keeps of all modules where a step may take as long as with those.
 * `choose` keeps what each selection measures in FOLDER/choices/TASK.jsonl (or --choices DIR), which `train` does when it finds it missing; it
 * runs on the CPU. bench/gpu/ carries all of it to a machine with a GPU.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lora, loraPlan } from '../src/adapters/methods/lora.js';
import { isNamed } from '../src/adapters/plan.js';
import { holdOut } from '../src/data/stratify.js';
import type { EncodedExample } from '../src/engine/batch.js';
import { collate, evaluationBatches } from '../src/engine/batching.js';
import { BatchStream } from '../src/engine/batchStream.js';
import { openLaneSteps } from '../src/engine/laneSteps.js';
import { type Lane, laneUpdate, stackLanes } from '../src/engine/laneUpdate.js';
import { runLoop } from '../src/engine/loop.js';
import { batchFeeds } from '../src/engine/modelGraph.js';
import { adapterParameters, headParameters, type Parameter } from '../src/engine/parameters.js';
import { openProgram } from '../src/engine/program.js';
import { learningRates } from '../src/engine/schedule.js';
import { selectionSettingsOf } from '../src/jobs/selectModules.js';
import { openWorkspace, type Workspace } from '../src/jobs/workspace.js';
import { argmaxRows } from '../src/metrics/metrics.js';
import { rowScores } from '../src/metrics/ofRows.js';
import type { AdaptableModule, Model } from '../src/models/model.js';
import { silent } from '../src/reporter.js';
import { openDevice } from '../src/runtime/devices/openDevice.js';
import { splitByGamma } from '../src/selection/dam.js';
import { type Allowance, discretise } from '../src/selection/discretise.js';
import { gridOf } from '../src/selection/grid.js';
import type { SelectionSettings } from '../src/selection/method.js';
import { meanSizes, stepCost } from '../src/selection/price.js';
import { type Pricing, pricingOf } from '../src/selection/pricing.js';
import { type SelectionName, selectionMethods } from '../src/selection/registry.js';
import { type OptimisationConfig, parseTrainConfig } from '../src/settings/config.js';
import { trainingSteps } from '../src/settings/trainingOptions.js';
import { encodeSplit } from '../src/tasks/encoding/encodeTexts.js';
import { halvesBy } from './halves.js';
import { meanLoss } from './meanLoss.js';

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    task: { type: 'string', default: 'mrpc' },
    output: { type: 'string', default: 'runs/placement' },
    model: { type: 'string', default: 'sentence-transformers/all-MiniLM-L6-v2' },
    'data-dir': { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    seeds: { type: 'string', default: '1,2,3,4,5,6,7,8' },
    selections: { type: 'string', default: 'random,gradient-norm,query-value,all,diffora' },
    budgets: { type: 'string', default: '165888,20736,10368,5184' },
    lanes: { type: 'string', default: '16' },
    threads: { type: 'string', default: '2' },
    minutes: { type: 'string', default: '1000' },
    choices: { type: 'string' },
    epochs: { type: 'string', default: '2' },
    'max-train-samples': { type: 'string' },
  },
});
const started = performance.now();
const device = await openDevice(flags.device);
const minutes = () => (performance.now() - started) / 60_000;
const peak = 1e-3;
/** Share of the fine-tuning's cost that a search may have. */
const searchShare = 0.3;

/** One training. */
interface Line {
  readonly task: string;
  readonly budget: number;
  readonly selection: string;
  readonly seed: number;
  /** Γ, a text of 0 and 1 a layer. */
  readonly gamma: readonly string[];
  readonly trained: number;
  /** Mean loss of the examples that were held out. */
  readonly heldLoss: number;
  /** First metric on dev. */
  readonly dev: number;
  readonly steps: number;
}

/** What a selection measured with a seed: values of the matrix. */
interface Measured {
  readonly selection: string;
  readonly seed: number;
  readonly values: readonly (readonly number[])[];
}

/** One choice of modules: values of the matrix, or the modules themselves. */
interface Chosen {
  readonly values?: readonly (readonly number[])[];
  readonly modules?: readonly AdaptableModule[];
}

async function run(): Promise<void> {
  const threads = Number(flags.threads);
  const maxTrainSamples = flags['max-train-samples'] ?? (flags.task === 'sst2' ? '6000' : undefined);
  const config = parseTrainConfig(
    {
      task: flags.task,
      model: flags.model,
      method: 'diffora',
      epochs: Number(flags.epochs),
      lr: peak,
      threads,
      ...(flags['data-dir'] === undefined ? {} : { dataDir: flags['data-dir'] }),
      ...(maxTrainSamples === undefined ? {} : { maxTrainSamples: Number(maxTrainSamples) }),
    },
    'bench',
  );
  const workspace = await openWorkspace(config, silent);
  const { opened, task } = workspace;
  const { model } = opened;
  const objective = task.kind.objective();
  const { kept: learned, heldOut } = holdOut(workspace.train.encoded, 0.1, 1);
  const { maxLength } = workspace;
  const dev = await encodeSplit(opened.tokenizer, workspace.dev.examples, { maxLength, warn: console.warn });
  const file = join(flags.output, `${flags.task}.jsonl`);
  mkdirSync(flags.output, { recursive: true });
  const done = new Set(linesOf<Line>(file).map(keyOf));
  const seeds = flags.seeds.split(',').map(Number);
  const { optimisation } = config;
  const steps = trainingSteps(optimisation, Math.ceil(learned.length / optimisation.batchSize));

  const halves = halvesBy(learned);
  const choices = flags.choices ?? join(flags.output, 'choices');
  mkdirSync(choices, { recursive: true });
  const measures = join(choices, `${flags.task}.jsonl`);
  const chosen = new Map<string, Chosen>(
    linesOf<Measured>(measures).map((one) => [`${one.selection} ${one.seed}`, { values: one.values }]),
  );
  const choose = async (selection: string, seed: number): Promise<Chosen> => {
    const key = `${selection} ${seed}`;
    const known = chosen.get(key) ?? (await chosenBy(selection, seed));
    if (known.values !== undefined && !chosen.has(key))
      appendFileSync(measures, `${JSON.stringify({ selection, seed, values: known.values } satisfies Measured)}\n`);
    chosen.set(key, known);
    return known;
  };
  const chosenBy = async (selection: string, seed: number): Promise<Chosen> => {
    if (selection === 'all') return { modules: model.adaptable };
    if (selection === 'head') return { modules: [] };
    if (selection === 'query-value')
      return { modules: model.adaptable.filter(({ path }) => isNamed(path, 'query') || isNamed(path, 'value')) };
    const top = /^top-(\d+)$/.exec(selection);
    if (top !== null) return { modules: model.adaptable.filter(({ layer }) => layer >= model.layers - Number(top[1])) };
    const search = searches[selection];
    const usual = selectionSettingsOf(config, halves(seed).train.length);
    // A step of a search has two passes for each member.
    const stepsOf = (length: number, members: number) =>
      Math.max(4, Math.round((searchShare * length * steps) / (2 * members)));
    const settings = {
      ...usual,
      ...search?.settings,
      ...(search?.length === undefined ? {} : { steps: stepsOf(search.length, search.settings?.searchTeam ?? 1) }),
      seed,
    } satisfies SelectionSettings;
    const name = search === undefined ? (selection as SelectionName) : 'diffora';
    const { values } = await selectionMethods[name].select({
      model,
      objective,
      halves: halves(seed),
      halvesBy: halves,
      settings,
      allowance: allowanceFor(model, 165_888, search?.scope),
      phase: () => ({ update: () => {}, end: () => {} }),
    });
    return { values };
  };

  if (positionals[0] === 'choose') {
    for (const seed of seeds) for (const selection of flags.selections.split(',')) await choose(selection, seed);
    console.log(`${flags.task} ${flags.selections}: chosen, ${minutes().toFixed(1)} min`);
    return;
  }
  const counted = { objective, rank: 8, sizes: meanSizes(learned, optimisation.batchSize) };
  const pricings = new Map<string, Pricing>();
  const withinTop = (layers: number, allowance: Allowance): Pricing => {
    const key = `${layers} ${allowance.budget}`;
    const whole = stepCost(model, counted, 'time', () => true);
    const top = stepCost(model, counted, 'time', ({ layer }) => layer >= model.layers - layers);
    const one = pricings.get(key) ?? pricingOf(model, counted, allowance, { priceWeight: 0, maxStepTime: top / whole });
    pricings.set(key, one);
    return one;
  };
  for (const budget of flags.budgets.split(',').map(Number)) {
    const wanted: { selection: string; seed: number; kept: readonly AdaptableModule[] }[] = [];
    for (const seed of seeds) {
      for (const selection of flags.selections.split(',')) {
        if (done.has(keyOf({ task: flags.task, budget, selection, seed }))) continue;
        const within = /^within-top-(\d+)$/.exec(selection);
        const measure = within === null ? selection.replace(perParameter, '') : 'diffora-global';
        const { values, modules } = await choose(measure, seed);
        const allowance: Allowance = {
          ...allowanceFor(model, budget, searches[measure]?.scope),
          measurePer: measure === selection || within !== null ? 'module' : 'parameter',
        };
        const gamma = () =>
          within === null
            ? discretise(values!, allowance)
            : withinTop(Number(within[1]), allowance).choose(values!).gamma;
        const kept = modules ?? splitByGamma(model, gamma()).kept;
        if (kept.reduce((sum, one) => sum + one.inFeatures + one.outFeatures, 0) <= budget)
          wanted.push({ selection, seed, kept });
      }
    }
    console.log(`${flags.task} ${budget}: ${wanted.length} to train, ${minutes().toFixed(1)} min`);
    // Alike selections together: a graph has the modules that one of its lanes adapts.
    const place = (selection: string) => flags.selections.split(',').indexOf(selection);
    wanted.sort((a, b) => place(a.selection) - place(b.selection));
    const perGroup = Number(flags.lanes);
    for (let i = 0; i < wanted.length; i += perGroup) {
      if (minutes() > Number(flags.minutes)) return;
      const group = wanted.slice(i, i + perGroup);
      const lines = await trainGroup(workspace, group, { budget, learned, heldOut, dev, steps, optimisation, threads });
      for (const line of lines) appendFileSync(file, `${JSON.stringify(line)}\n`);
      console.log(`${flags.task} ${budget}: ${i + group.length} of ${wanted.length}, ${minutes().toFixed(1)} min`);
    }
  }
}

/** Stands behind the name of a selection whose measures are held against trainable numbers. */
const perParameter = '-per-parameter';

/** Forms of DiffoRA's search, beside the usual one. */
interface Search {
  /** In the place of what a search usually has: steps for this multiple of the share, start apart. */
  readonly length?: number;
  readonly scope?: Allowance['scope'];
  readonly settings?: Partial<SelectionSettings>;
}
const fromZero = { searchTeam: 4, damInit: 'zero' } as const;
const searches: Readonly<Record<string, Search>> = {
  diffora: {},
  'diffora-global': { scope: 'global' },
  'diffora-slow': { settings: { damLr: 0.0075 } },
  'diffora-slower': { settings: { damLr: 0.003 } },
  search: { length: 1, settings: { ...fromZero, searchTeam: 1 } },
  'search-long': { length: 4, settings: { ...fromZero, searchTeam: 1 } },
  team: { length: 1, settings: fromZero },
  'team-8': { length: 1, settings: { ...fromZero, searchTeam: 8 } },
  'team-long': { length: 4, settings: fromZero },
  'team-from-norms': { length: 1, settings: { searchTeam: 4, damInit: 'gradient-norm' } },
};

/** A third of the modules at the large budget; at a small one as many as it holds at rank 1. */
function allowanceFor(model: Model, budget: number, scope: Allowance['scope'] = 'row'): Allowance {
  const sizes = gridOf(model).matrix(model.adaptable.map((one) => one.inFeatures + one.outFeatures));
  const whole = sizes.flat().reduce((sum, size) => sum + size, 0);
  return { scope, keep: 1 / 3, sizes, ...(budget < whole ? { budget } : {}) };
}

interface Group {
  readonly budget: number;
  readonly learned: readonly EncodedExample[];
  readonly heldOut: readonly EncodedExample[];
  readonly dev: readonly EncodedExample[];
  readonly steps: number;
  readonly optimisation: OptimisationConfig;
  readonly threads: number;
}

/**
 * Trains several at once: LoRA on all modules that one of them adapts, of the highest rank that one has there. A lane has zeros
 * for the modules and ranks that are not its own; A and B both 0 stay so.
 */
async function trainGroup(
  { opened, task }: Workspace,
  group: readonly { selection: string; seed: number; kept: readonly AdaptableModule[] }[],
  { budget, learned, heldOut, dev, steps, optimisation, threads }: Group,
): Promise<Line[]> {
  const model: Model = { ...opened.model, device };
  const objective = task.kind.objective();
  const usual = { rank: 8, alpha: 16 };
  const fitted = group.map(({ kept }) => lora.fit(usual, { own: kept, shared: [] }, model, budget));
  const union = model.adaptable.filter((module) => group.some(({ kept }) => kept.includes(module)));
  const ranks = Object.fromEntries(
    union.map(({ path }) => [path, Math.max(...fitted.map((one) => one.ranks![path] ?? 0))]),
  );
  const alphas = Object.fromEntries(Object.entries(ranks).map(([path, rank]) => [path, 2 * rank]));
  const plan = loraPlan({ ...usual, ranks, alphas }, { own: union, shared: [] });
  const shapes = await adapterParameters(plan, model, 0);
  const trained: number[] = [];
  const each: Parameter[][] = [];
  for (const [i, { kept, seed }] of group.entries()) {
    const own = await adapterParameters(loraPlan(fitted[i]!, { own: kept, shared: [] }), model, seed);
    trained.push(own.reduce((sum, { values }) => sum + values.length, 0));
    const byName = new Map(own.map((one) => [one.name, one]));
    const padded = shapes.map((one): Parameter => {
      const values = new Float32Array(one.values.length);
      const found = byName.get(one.name);
      // Rows of A; B starts at 0.
      if (found?.values.some((value) => value !== 0)) values.set(found.values);
      return { ...one, values };
    });
    const head = await headParameters(model, seed);
    // A score starts at the mean of what is learned.
    if (model.numLabels === 1) head.find(({ shape }) => `${shape}` === '1')!.values[0] = meanLabel(learned);
    each.push([...padded, ...head]);
  }
  const { tensors, lanes } = stackLanes(each);
  const parameters = each[0]!;
  const { batchSize, warmupRatio, weightDecay, maxGradNorm } = optimisation;
  const streams = group.map(
    ({ seed }) => new BatchStream(learned, { batchSize, seed, objective, padTokenId: model.padTokenId }),
  );
  const rate = learningRates({
    schedule: 'linear',
    peak,
    totalSteps: steps,
    warmupSteps: Math.ceil(warmupRatio * steps),
  });
  const open = () =>
    openLaneSteps(model, { objective, plan, parameters, wrt: parameters, threads }, { count: group.length, tensors });
  await runLoop({
    name: 'training',
    steps,
    updates: [
      laneUpdate(
        lanes.map((own, i): Lane => ({ parameters: own, batches: streams[i]!, rate })),
        { open, objective, weightDecay, maxGradNorm },
      ),
    ],
    trained: lanes.flat(),
  });

  const names = new Set(parameters.map(({ name }) => name));
  const program = await openProgram(model, {
    plan,
    parameters,
    threads,
    lanes: { count: group.length, own: (name) => names.has(name) },
    outputs: ({ logits }) => ({ logits: logits() }),
  });
  /** Of every lane [examples, outputs], in the order of the examples. */
  const logitsOf = async (examples: readonly EncodedExample[]): Promise<Float32Array[]> => {
    const at = new Map(examples.map((one, i) => [one, i]));
    const found = group.map(() => new Float32Array(examples.length * model.numLabels));
    for (const batch of evaluationBatches(examples, { batchSize: 32 })) {
      const feeds = { ...Object.fromEntries(tensors), ...batchFeeds(collate(batch, model.padTokenId), false) };
      const { data } = (await program.run(feeds)).logits;
      for (const [lane, own] of found.entries()) {
        for (const [row, example] of batch.entries()) {
          const from = (lane * batch.length + row) * model.numLabels;
          own.set(data.subarray(from, from + model.numLabels), at.get(example)! * model.numLabels);
        }
      }
    }
    return found;
  };
  const [held, scored] = [await logitsOf(heldOut), await logitsOf(dev)];
  await program.release();
  const labelsOf = (examples: readonly EncodedExample[]) => examples.map(({ label }) => label!);
  const [labels, heldLabels] = [labelsOf(dev), labelsOf(heldOut)];
  const grid = gridOf(model);
  return group.map(({ selection, seed, kept }, i): Line => {
    const predicted = model.numLabels === 1 ? scored[i]! : argmaxRows(scored[i]!, model.numLabels);
    const scores = rowScores(task.metrics, predicted, labels, model.numLabels);
    const own = new Set(kept);
    return {
      task: flags.task,
      budget,
      selection,
      seed,
      gamma: grid.matrix(model.adaptable.map((one) => (own.has(one) ? 1 : 0))).map((row) => row.join('')),
      trained: trained[i]!,
      heldLoss: meanLoss(held[i]!, heldLabels, model.numLabels),
      dev: scores[task.metrics[0]!]!,
      steps,
    };
  });
}

function meanLabel(examples: readonly EncodedExample[]): number {
  return examples.reduce((sum, { label }) => sum + label!, 0) / examples.length;
}

function linesOf<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as T]));
}

function keyOf({ task, budget, selection, seed }: Pick<Line, 'task' | 'budget' | 'selection' | 'seed'>): string {
  return `${task} ${budget} ${selection} ${seed}`;
}

/**
 * Differences to another selection, paired by task and seed: the mean over tasks of the means over seeds, with a 95 %
 * interval from the spread of the seeds of each task (normal approximation; tasks are taken as given).
 */
function report(folder: string): void {
  const lines = readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => linesOf<Line>(join(folder, name)));
  const byKey = new Map(lines.map((line) => [keyOf(line), line]));
  const distinct = <T>(values: readonly T[]) => [...new Set(values)];
  const tasks = distinct(lines.map(({ task }) => task)).sort();
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  for (const budget of distinct(lines.map((line) => line.budget)).sort((a, b) => b - a)) {
    const there = lines.filter((line) => line.budget === budget);
    const selections = distinct(there.map(({ selection }) => selection));
    for (const reference of ['random', 'gradient-norm', 'query-value', 'all', 'head']) {
      for (const selection of selections) {
        if (selection === reference || !selections.includes(reference)) continue;
        const each = (of: (own: Line, other: Line) => number) =>
          tasks.flatMap((task) => {
            const pairs = there
              .filter((line) => line.task === task && line.selection === selection)
              .flatMap((own) => {
                const other = byKey.get(keyOf({ ...own, selection: reference }));
                return other === undefined ? [] : [of(own, other)];
              });
            return pairs.length < 2 ? [] : [pairs];
          });
        const shown = (pairs: readonly (readonly number[])[]) => {
          const centre = mean(pairs.map(mean));
          const variances = pairs.map(
            (one) => one.reduce((sum, x) => sum + (x - mean(one)) ** 2, 0) / (one.length - 1) / one.length,
          );
          const half = (1.96 * Math.sqrt(variances.reduce((sum, one) => sum + one, 0))) / pairs.length;
          const isClear = Math.abs(centre) > half;
          return `${centre.toFixed(2)} (${(centre - half).toFixed(2)}, ${(centre + half).toFixed(2)})${isClear ? '*' : ''}`;
        };
        const held = each((own, other) => (100 * (own.heldLoss - other.heldLoss)) / other.heldLoss);
        if (held.length === 0) continue;
        const dev = each((own, other) => 100 * (own.dev - other.dev));
        const counts = held.map((one) => one.length).join(' ');
        console.log(`| ${budget} | ${selection} | ${reference} | ${shown(held)} | ${shown(dev)} | ${counts} |`);
      }
    }
  }
}

if (positionals[0] === 'report') report(flags.output);
else await run();
