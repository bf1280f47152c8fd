import { describe, expect, it } from 'vitest';
import type { Split } from '../../src/data/types.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { countsOf, holdOutSplit, useSplit } from '../../src/tasks/splits.js';

const examples = Array.from({ length: 40 }, (_, i) => ({ id: String(i), text: 'x', label: i % 4 === 0 ? 1 : 0 }));
const split = (name: Split['name']): Split => ({ name, examples, source: 'file', hash: 'h', labelCounts: {} });

describe('what is used of a split', () => {
  it('is drawn by seed for training, and the same for every seed for scoring', () => {
    const of = (name: Split['name'], seed: number) =>
      useSplit(split(name), { maxTrainSamples: 20, maxEvalSamples: 20, seed }).examples.map(({ id }) => id);
    expect(of('train', 1)).toHaveLength(20);
    expect(of('train', 1)).not.toEqual(of('train', 2));
    expect(of('dev', 1)).toEqual(of('dev', 2));
    expect(useSplit(split('dev'), { seed: 1 }).examples).toEqual(examples);
  });

  it('held out of the training examples is never trained on, whatever the seed draws', () => {
    const config = { validationShare: 0.25, validationSeed: 7, maxTrainSamples: 12 };
    const parts = [1, 2].map((seed) => holdOutSplit(split('train'), { ...config, seed }));
    const [one, other] = parts.map(({ dev }) => dev.examples.map(({ id }) => id));
    expect(one).toEqual(other);
    // A quarter of 30, rounded, and a quarter of 10.
    expect(one).toHaveLength(8 + 3);
    for (const { train } of parts) {
      expect(train.examples).toHaveLength(12);
      expect(train.examples.some(({ id }) => one!.includes(id))).toBe(false);
    }
    const seeds = [1, 2].map((seed) => holdOutSplit(split('train'), { validationShare: 0.25, seed }).dev.examples);
    expect(seeds[0]).not.toEqual(seeds[1]);
  });

  it('is told with the number of examples of each class', () => {
    const used = useSplit(split('dev'), { seed: 1 });
    expect(countsOf({ kind: kinds.classification, labels: ['no', 'yes'] }, 'dev', used)).toBe('40 dev (30 no, 10 yes)');
    expect(countsOf({ kind: kinds.regression, labels: [] }, 'dev', used)).toBe('40 dev');
    const many = Array.from({ length: 12 }, (_, i) => `c${i}`);
    expect(countsOf({ kind: kinds.classification, labels: many }, 'dev', used)).toContain('0 c7, and 4 more classes)');
  });
});
