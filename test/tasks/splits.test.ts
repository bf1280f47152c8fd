import { describe, expect, it } from 'vitest';
import type { Split } from '../../src/data/types.js';
import type { OpenedModel } from '../../src/models/loading/withHead.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { countsOf, holdOutSplit, learnedLength, useSplit } from '../../src/tasks/splits.js';

const examples = Array.from({ length: 40 }, (_, i) => ({ id: String(i), text: 'x', label: i % 4 === 0 ? 1 : 0 }));
const split = (name: Split['name']): Split => ({ name, examples, source: 'file', labelCounts: {} });

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
    const [one, other] = parts.map(({ heldOut }) => heldOut.examples.map(({ id }) => id));
    expect(one).toEqual(other);
    // A quarter of 30, rounded, and a quarter of 10.
    expect(one).toHaveLength(8 + 3);
    for (const { train } of parts) {
      expect(train.examples).toHaveLength(12);
      expect(train.examples.some(({ id }) => one!.includes(id))).toBe(false);
    }
    const seeds = [1, 2].map((seed) => holdOutSplit(split('train'), { validationShare: 0.25, seed }).heldOut.examples);
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

describe('the longest sequence of what an adapter answers', () => {
  const opened = {
    model: { maxLength: 64, checkpoint: { name: 'small' } },
    tokenizer: { modelMaxLength: undefined },
  } as unknown as OpenedModel;
  const trained = { name: 'reviews', maxLength: 128 };

  it('is refused where the model allows less than it was trained on, without blaming a flag that nobody gave', () => {
    expect(() => learnedLength(opened, undefined, trained, 'runs/a')).toThrow(
      /^runs\/a was trained on sequences of up to 128 tokens, and small allows 64\. Give --max-length 64 to cut/,
    );
    expect(() => learnedLength(opened, 128, trained, 'runs/a')).toThrow('--max-length 128 is more than the 64 tokens');
    expect(learnedLength(opened, 64, trained, 'runs/a')).toBe(64);
  });

  it('is what the model allows where an adapter does not say how it was trained', () => {
    expect(learnedLength(opened, undefined, { ...trained, foreign: true }, 'runs/a')).toBe(64);
  });
});
