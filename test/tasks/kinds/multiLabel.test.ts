import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { grad, input } from '../../../src/graph/index.js';
import { openSession } from '../../../src/runtime/session.js';
import { multiLabelObjective } from '../../../src/tasks/kinds/multiLabel.js';
import { kinds } from '../../../src/tasks/kinds/registry.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { taskFromExamples } from '../../../src/tasks/taskFromExamples.js';
import { errorOf, folderOf } from '../../data/files.js';
import { expectClose } from '../../fixtures.js';

const quiet = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };

it("has PyTorch's binary_cross_entropy_with_logits, with its gradient, also of large logits", async () => {
  const x = input('x', 'float32', ['batch', 3]);
  const loss = multiLabelObjective.loss(x);
  const session = await openSession({ loss, slope: grad(loss, [x])[0]! }, { threads: 1 });
  const got = await session.run({
    x: { data: Float32Array.of(0.3, -1.2, 40, 1.5, -60, -0.4), shape: [2, 3] },
    labels: { data: Float32Array.of(1, 0, 1, 0, 1, 1), shape: [2, 3] },
  });
  // PyTorch 2.13, float64.
  expect(Number(got.loss!.data[0])).toBeCloseTo(10.57201104, 5);
  const slope = [-0.07092625, 0.0385792, 0, 0.13626241, -0.16666667, -0.09978128];
  expectClose('gradient', got.slope!.data, slope, { relative: 1e-5, floor: 1e-7 });
  await session.release();
});

describe('rows with several labels', () => {
  it('have a list, which may be empty, and are recognised by it', async () => {
    const rows = [['b', 'a'], [], ['a']].map((labels, i) => ({ text: `text ${i}`, labels }));
    const task = taskFromExamples(rows, { dev: rows, ...quiet });
    expect(task).toMatchObject({
      kind: kinds['multi-label'],
      labels: ['a', 'b'],
      metrics: ['micro_f1', 'macro_f1', 'subset_accuracy'],
    });
    const { examples, labelCounts } = await task.load('train');
    expect(examples.map(({ labels }) => labels)).toEqual([[0, 1], [], [0]]);
    expect(labelCounts).toEqual({ a: 2, b: 1 });
  });

  const yaml = 'kind: multi-label\ntrain: a.csv\nlabels: [rude, late]\nthresholds: choose\n';
  const open = async (csv: string) => openTask(join(await folderOf({ 't.yaml': yaml, 'a.csv': csv }), 't.yaml'), quiet);

  it('have a column of 0 and 1 for each label that the task file names', async () => {
    const task = await open('text,late,rude\nx,1,0\ny,1,1\nz,0,0\n');
    expect(task).toMatchObject({ labels: ['rude', 'late'], thresholds: 'choose' });
    const all = [...(await task.load('train')).examples, ...(await task.load('dev')).examples];
    expect(all.sort((a, b) => Number(a.id) - Number(b.id)).map(({ labels }) => labels)).toEqual([[1], [0, 1], []]);
  });

  it.each([
    ['a value', 'text,late,rude\nx,1,0\ny,2,1\n', /a\.csv, line 3: column "late" holds "2"\. Write 0 or 1/],
    ['a missing column', 'text,late\nx,1\ny,0\n', /a\.csv has columns of the labels "late", and none of "rude"/],
    ['a text in the place of a list', 'text,labels\nx,late\ny,rude\n', /line 2: the labels are "late"\. Write a list/],
    [
      'a strange label',
      'text,labels\nx,"[""odd""]"\ny,[]\n',
      /line 2: the label "odd" is not one of t's: "rude", "late"/,
    ],
    ['an empty cell', 'text,labels\nx,[]\ny,\n', /line 3: column "labels" is empty/],
  ])('are refused for %s', async (_, csv, reason) => {
    expect((await errorOf(open(csv))).message).toMatch(reason);
  });

  it('have no class weights', () => {
    const settings = { labelSmoothing: 0.1 };
    const changes = { settings, task: { name: 't', labels: [] }, examples: [] };
    expect(() => kinds['multi-label'].objective(changes)).toThrow('t has any number of labels');
  });
});
