import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { headParameters } from '../../src/engine/parameters.js';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { withOutputBias } from '../../src/models/loading/withHead.js';
import { openModel } from '../../src/models/registry.js';
import { silent } from '../../src/reporter.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { reviewsFolder, type temporaryFolder } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { classifyingFamilies } from '../models/classifyingFamilies.js';
import { quickConfig } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let classes: string;
beforeAll(async () => {
  ({ folder, task: classes } = await reviewsFolder());
  const rows = Array.from({ length: 40 }, (_, i) => `the film is ${i % 3 ? 'good' : 'bad'},${70 + (i % 7) * 1.5}`);
  await writeFile(folder.path('scores.csv'), ['review,stars', ...rows, ''].join('\n'));
});
afterAll(() => folder.remove());

const opened = async (change: Partial<TrainConfigInput>, file = folder.path('scores.csv')) => {
  const config = quickConfig(file, { method: 'lora', ...change });
  const workspace = await openWorkspace(config, silent);
  const head = await headParameters(workspace.opened.model, 1);
  return { config, workspace, head, bias: head.find(({ name }) => name === 'classifier.bias')!.values };
};

describe("the head's bias", () => {
  it.each<[string, Partial<TrainConfigInput>]>([
    ['all of them', {}],
    ['those that are drawn', { maxTrainSamples: 12 }],
    ['those that are not held out', { validationShare: 0.4 }],
    ['those of a run that selects', { method: 'lora', select: 'random', targets: ['query'] }],
  ])('starts at the mean score of the training examples: %s', async (_, change) => {
    const { workspace, bias } = await opened(change);
    const labels = workspace.train.examples.map(({ label }) => label!);
    const mean = labels.reduce((sum, one) => sum + one, 0) / labels.length;
    expect([...bias]).toEqual([Math.fround(mean)]);
  });

  it('starts at 0 for classes, whose head is as it was', async () => {
    const { workspace, bias, head } = await opened({}, classes);
    expect([...bias]).toEqual([0, 0]);
    const whole = openModel(await openCheckpoint(oraclePath('tiny-bert-backbone')), { numLabels: 2, head: 'all' });
    const before = await headParameters(whole, 1);
    expect(head.map(({ name, values }) => [name, values])).toEqual(before.map(({ name, values }) => [name, values]));
    expect(workspace.opened.model.head.some(({ start }) => start !== undefined)).toBe(false);
  });

  it('spares scores far from 0 the way there', async () => {
    const { workspace, config } = await opened({ maxSteps: 1, batchSize: 36 });
    const { steps } = await trainIn(workspace, config, { reporter: silent });
    const labels = workspace.train.examples.map(({ label }) => label!);
    const mean = labels.reduce((sum, one) => sum + one, 0) / labels.length;
    const variance = labels.reduce((sum, one) => sum + (one - mean) ** 2, 0) / labels.length;
    // From 0 the first loss would be their mean square, above 5,000; the weights of the new head add a little to the variance.
    expect(steps[0]!.loss!).toBeLessThan(2 * variance);
  });

  it('is that of the output in every family that has one; decoders have none', async () => {
    const withBias: string[] = [];
    for (const name of await classifyingFamilies()) {
      const checkpoint = await openCheckpoint(oraclePath('families', name));
      const model = openModel(checkpoint, { numLabels: 1, head: 'all', taskType: 'SEQ_CLS' });
      const { head } = withOutputBias(model, [2.5]);
      // A norm of a head starts from ones.
      const started = head.filter(({ start, name: one }) => start !== undefined && !one.includes('norm'));
      expect(started.length, name).toBe(head.some(({ name: one }) => one.startsWith('score')) ? 0 : 1);
      if (started.length === 0) continue;
      withBias.push(started[0]!.name);
      const [bias] = await headParameters({ ...model, head: started }, 1);
      // A head that the checkpoint has keeps its values.
      if (started[0]!.stored === undefined) expect([...bias!.values], name).toEqual([2.5]);
      else expect([...bias!.values], name).not.toEqual([2.5]);
    }
    expect(new Set(withBias)).toEqual(new Set(['classifier.bias', 'classifier.out_proj.bias']));
  });

  it('keeps the values that the checkpoint has', async () => {
    const model = openModel(await openCheckpoint(oraclePath('own-heads', 'bert-one')), { numLabels: 1, head: 'all' });
    const before = await headParameters(model, 1);
    const after = await headParameters(withOutputBias(model, [2.5]), 1);
    expect(model.head.every(({ stored }) => stored !== undefined)).toBe(true);
    expect(after.map(({ values }) => values)).toEqual(before.map(({ values }) => values));
  });
});
