import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collate } from '../../src/engine/batching.js';
import { exampleLosses, meanLoss } from '../../src/engine/exampleLosses.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { train } from '../../src/jobs/train.js';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { silent } from '../../src/reporter.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { lossOptionsOf } from '../../src/tasks/kinds/classification.js';
import type { LabelPrediction } from '../../src/tasks/kinds/kind.js';
import { reviewsFolder, type temporaryFolder } from '../cli/run.js';
import { quickConfig } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
});
afterAll(() => folder.remove());

const held = { method: 'lora', validationShare: 0.25, validationLoss: true } as const;

async function trained(change: Partial<TrainConfigInput>) {
  const config = quickConfig(task, { ...held, ...change });
  const workspace = await openWorkspace(config, silent);
  return { workspace, config, run: await trainIn(workspace, config, { reporter: silent }) };
}

/** −log softmax of the label, from the logits of each held-out example alone. */
async function crossEntropies({ workspace, run }: Awaited<ReturnType<typeof trained>>): Promise<number[]> {
  const { opened, task: of, validation } = workspace;
  const { encoded, examples } = await validation!();
  const answerer = await of.kind.answerer({ opened, ...run }, { threads: 1 });
  const answers = await answerer.answer(of, examples, { maxLength: workspace.maxLength, warn: () => {} });
  await answerer.release();
  return answers.map((answer, i) => {
    const { logits } = answer as LabelPrediction;
    const highest = Math.max(...logits);
    const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
    return Math.log(sum) + highest - logits[encoded[i]!.label!]!;
  });
}

const mean = (values: readonly number[]) => values.reduce((sum, one) => sum + one, 0) / values.length;

describe('the loss of held-out training examples', () => {
  it('is the mean cross-entropy of them, which are scored too unless dev is', async () => {
    const scored = await trained({});
    const apart = await trained({ scoreOn: 'dev' });
    // 36 rows are left of 40 when a tenth is the dev split; a quarter of each class of 18 is held out.
    expect(scored.run.validation!.examples).toHaveLength(10);
    expect(scored.run.predicted).toHaveLength(10);
    expect(apart.run.predicted).toHaveLength(4);
    // What is scored changes nothing of what is trained.
    expect(apart.run.validation).toEqual(scored.run.validation);
    const expected = await crossEntropies(apart);
    expect(apart.run.validation!.loss).toBeCloseTo(mean(expected), 5);
    for (const [i, [sum, weight]] of apart.run.validation!.examples.entries()) {
      expect(weight).toBe(1);
      expect(sum).toBeCloseTo(expected[i]!, 5);
    }
    const { examples } = await apart.workspace.validation!();
    const trainedOn = new Set(apart.workspace.train.examples.map(({ id }) => id));
    expect(examples.some(({ id }) => trainedOn.has(id))).toBe(false);
  });

  it('is that of the run: with label smoothing and class weights where they are set', async () => {
    const smoothed = await trained({ labelSmoothing: 0.2, classWeights: { good: 3 } });
    const { workspace, run, config } = smoothed;
    const { labelSmoothing } = config.optimisation;
    const classWeights = { good: 3 };
    const of = { settings: { labelSmoothing, classWeights }, task: workspace.task, examples: [] };
    expect(lossOptionsOf(of).classWeights).toContain(3);
    const { encoded } = await workspace.validation!();
    const weights: number[] = encoded.map(({ label }) => (workspace.task.labels[label!] === 'good' ? 3 : 1));
    expect(run.validation!.examples.map(([, weight]) => weight)).toEqual(weights);
    const plain = await crossEntropies(smoothed);
    const weighted = plain.reduce((sum, one, i) => sum + one * weights[i]!, 0) / weights.reduce((a, b) => a + b);
    // Smoothing is on top of it.
    expect(run.validation!.loss).not.toBeCloseTo(weighted, 3);
    const objective = workspace.task.kind.objective(of);
    const step = await openGradientStep(workspace.opened.model, {
      objective,
      ...run,
      wrt: [],
      threads: 1,
      largestBatch: { batch: encoded.length, seq: 16 },
    });
    const whole = await step.run(collate(encoded, workspace.opened.model.padTokenId, objective), 0);
    await step.release();
    expect(run.validation!.loss).toBeCloseTo(whole, 5);
  });

  it('depends on no row beside it, and on no other run', async () => {
    const { workspace, run } = await trained({ scoreOn: 'dev' });
    const { opened, task: of, validation } = workspace;
    const { encoded } = await validation!();
    const options = { objective: of.kind.objective(), threads: 1 };
    const lossesOf = (some: typeof encoded) => exampleLosses(opened.model, run.plan, run.parameters, some, options);
    const all = await lossesOf(encoded);
    expect(all).toEqual(run.validation!.examples);
    expect(await lossesOf([...encoded].reverse())).toEqual([...all].reverse());
    expect(await lossesOf(encoded.slice(3, 5))).toEqual(all.slice(3, 5));
    const windows = encoded.slice(0, 4).map((one, i) => ({ ...one, index: Math.floor(i / 2) }));
    const joined = await lossesOf(windows);
    expect(joined).toEqual([0, 2].map((i) => [all[i]![0] + all[i + 1]![0], 2]));
    expect(meanLoss(joined)).toBeCloseTo(meanLoss(all.slice(0, 4)), 12);
    expect((await trained({ scoreOn: 'dev' })).run.validation).toEqual(run.validation);
  });

  it('is in run.json', async () => {
    const config = quickConfig(task, { ...held, scoreOn: 'dev' });
    const { record, run } = await train({ config, output: folder.path('run'), reporter: silent });
    expect(record.validation).toEqual({ loss: run.validation!.loss, examples: 10 });
    expect(record.data.dev!.used).toBe(4);
  });

  it('is refused where nothing would read what is held out', () => {
    const alone = () => quickConfig(task, { method: 'lora', validationShare: 0.25, scoreOn: 'dev' });
    expect(alone).toThrow('scoreOn dev leaves what validationShare holds out unread. Give validationLoss');
  });
});
