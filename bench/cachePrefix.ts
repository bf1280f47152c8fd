/**
 * Time of a training step with LoRA on all layers, on the upper ones and on the last, with and without what lies below being kept:
 * one thread, the settings in turn, processor time (a busy machine stretches the clock, not that), medians over the steps of each epoch.
 *
 * node --import tsx bench/cachePrefix.ts [examples] [data folder]
 */
import { BatchStream } from '../src/engine/batchStream.js';
import { weightUpdate } from '../src/engine/weightUpdate.js';
import { keptPrefix } from '../src/jobs/keptPrefix.js';
import { planRun, startingParameters } from '../src/jobs/plan.js';
import { openWorkspace } from '../src/jobs/workspace.js';
import { silent } from '../src/reporter.js';
import { meanSizes, stepCost } from '../src/selection/price.js';
import { parseTrainConfig } from '../src/settings/config.js';

const [examples = '256', dataDir = process.env.DIFFORA_DATA] = process.argv.slice(2);
const epochs = 3;

const workspace = await openWorkspace(
  parseTrainConfig(
    { task: 'mrpc', method: 'lora', maxTrainSamples: Number(examples), maxEvalSamples: 8, threads: 1, dataDir },
    'bench',
  ),
  silent,
);
const { model } = workspace.opened;
const { encoded } = workspace.train;
const objective = workspace.task.kind.objective();
const batches = new BatchStream(encoded, { batchSize: 16, seed: 1, objective, padTokenId: model.padTokenId });
const sizes = meanSizes(encoded, 16);
const whole = stepCost(model, { objective, rank: 4, sizes }, 'time', () => true);

const settings = [
  ['all layers', 0, 4, 'none', 'float32'],
  ['layers 3-5', 3, 8, 'none', 'float32'],
  ['layers 3-5, memory', 3, 8, 'memory', 'float32'],
  ['layers 3-5, disk', 3, 8, 'disk', 'float32'],
  ['layer 5', 5, 24, 'none', 'float32'],
  ['layer 5, memory', 5, 24, 'memory', 'float32'],
  ['layer 5, disk, bfloat16', 5, 24, 'disk', 'bfloat16'],
] as const;

const opened = [];
for (const [name, lowest, rank, cachePrefix, cachePrefixType] of settings) {
  const paths = model.adaptable.filter(({ layer }) => layer >= lowest).map(({ path }) => path);
  const { method } = parseTrainConfig({ task: 'mrpc', method: 'lora', rank, targets: paths }, 'bench');
  const plan = planRun(model, method, undefined);
  const parameters = await startingParameters(model, plan, 1);
  const prefix = keptPrefix(model, {
    plan,
    parameters,
    examples: encoded,
    settings: { cachePrefix, cachePrefixType, cachePrefixLimit: 1 },
    threads: 1,
    wasChosen: false,
    reporter: silent,
  });
  const update = weightUpdate(model, {
    objective,
    plan,
    parameters,
    trained: parameters,
    batches,
    rate: () => 5e-4,
    weightDecay: 0.01,
    maxGradNorm: 1,
    prefix,
    threads: 1,
  });
  const counted = stepCost(model, { objective, rank, sizes }, 'time', ({ layer }) => layer >= lowest) / whole;
  opened.push({
    name,
    counted,
    step: await update.open(),
    times: Array.from({ length: epochs }, () => [] as number[]),
  });
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
for (let step = 0; step < epochs * batches.stepsPerEpoch; step++) {
  for (const one of opened) {
    const before = process.cpuUsage();
    await one.step.run(step);
    const { user, system } = process.cpuUsage(before);
    one.times[Math.floor(step / batches.stepsPerEpoch)]!.push((user + system) / 1000);
  }
}
const first = median(opened[0]!.times.flat());
for (const { name, counted, times, step } of opened) {
  const [start, ...later] = times;
  const [inFirst, afterwards] = [median(start!), median(later.flat())];
  console.log(
    `${name}: epoch 1 ${inFirst.toFixed(0)} ms, later ${afterwards.toFixed(0)} ms (${(afterwards / first).toFixed(2)}; counted ${counted.toFixed(2)})`,
  );
  await step.release();
}
