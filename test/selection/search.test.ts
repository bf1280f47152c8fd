import { beforeAll, describe, expect, it } from 'vitest';
import { headParameters } from '../../src/engine/parameters.js';
import type { Model } from '../../src/models/model.js';
import { type SearchOptions, searchDam } from '../../src/selection/search.js';
import { countSessions } from '../library/sessions.js';
import { openTinyBert } from '../models/tinyBert.js';
import { examples } from './examples.js';
import { searchOptions as options } from './searchOptions.js';

const sessions = countSessions();
let model: Model;
beforeAll(async () => {
  model = await openTinyBert(3, 'tiny-bert-backbone');
});

async function search(
  changes: Partial<SearchOptions> = {},
  halves = { train: examples(24, 'a'), validation: examples(24, 'b') },
  seed = 5,
) {
  const head = await headParameters(model, seed);
  const result = await searchDam(model, [{ head, halves, seed }], { ...options, ...changes });
  return { ...result, head };
}

describe('the bi-level search', () => {
  it('records every step, and gives a row for each layer and a column for each module', async () => {
    const { history, logits, relaxed } = await search();
    expect(history.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(logits.map((row) => row.length)).toEqual([6, 6, 6]);
    expect(relaxed.flat().every((value) => value > 0 && value < 1)).toBe(true);
  });

  it('moves no logit in the first step, where B is still 0, and moves them afterwards', async () => {
    expect((await search({ steps: 1 })).logits.flat().every((logit) => Math.abs(logit) === 0)).toBe(true);
    const { history } = await search();
    expect(history[0]!.spread).toBe(0);
    expect(history.at(-1)!.spread).toBeGreaterThan(1e-3);
    expect(history.at(-1)!.entropy).toBeLessThan(1);
  });

  it('starts a row softmax at 1/N and keeps every row at 1', async () => {
    const { relaxed } = await search({ relax: 'softmax' });
    for (const row of relaxed) expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    expect(Math.max(...relaxed.flat())).toBeGreaterThan(1 / 6);
  });

  it('ends when what it keeps has stayed the same for as long as it was told', async () => {
    const whole = await search();
    const kept = () => [[1, 0]] as const;
    const ended = await search({ settled: { patience: 2, kept } });
    expect(ended.history).toEqual(whole.history.slice(0, 3));
    let calls = 0;
    const restless = await search({ settled: { patience: 2, kept: () => [[calls++ % 2 === 0 ? 1 : 0]] } });
    expect(restless.history).toEqual(whole.history);
    expect(restless.logits).toEqual(whole.logits);
  });

  it('opens one session where no dropout sets its two updates apart', async () => {
    const openedBy = async (changes: Partial<SearchOptions>) => {
      const before = sessions.opened;
      await search(changes);
      expect(sessions.open).toBe(0);
      return sessions.opened - before;
    };
    expect(await openedBy({ dropoutRate: 0 })).toBe(1);
    expect(await openedBy({ dropoutRate: 0.1 })).toBe(2);
  });

  it('learns logits from the validation half and weights from the training half', async () => {
    const halves = { train: examples(24, 'a'), validation: examples(24, 'b') };
    const relabelled = halves.validation.map((one) => ({ ...one, label: (one.label! + 1) % 3 }));
    const plain = await search({ steps: 2 }, halves);
    const other = await search({ steps: 2 }, { ...halves, validation: relabelled });
    // The first weight step comes before any logit has moved, so its loss knows the training half alone.
    expect(other.history[0]!.trainLoss).toBe(plain.history[0]!.trainLoss);
    expect(other.history[0]!.validationLoss).not.toBe(plain.history[0]!.validationLoss);
    expect(other.logits).not.toEqual(plain.logits);
  });

  it('never lets the labels of the validation half into a weight', async () => {
    const halves = { train: examples(24, 'a'), validation: examples(24, 'b') };
    const relabelled = halves.validation.map((one) => ({ ...one, label: (one.label! + 1) % 3 }));
    // With logits that stand still, the matrix cannot carry over what the validation half says.
    const still = { damLearningRate: Number.MIN_VALUE };
    const weightsOf = async (of: typeof halves, order: SearchOptions['order']) => {
      const { adapters, head } = await search({ ...still, order }, of);
      return [...adapters, ...head].map(({ values }) => values);
    };
    for (const order of ['first', 'second'] as const) {
      const plain = await weightsOf(halves, order);
      expect(await weightsOf({ ...halves, validation: relabelled }, order)).toEqual(plain);
      expect(await weightsOf({ train: relabelled, validation: halves.validation }, order)).not.toEqual(plain);
    }
  });

  it.each<Partial<SearchOptions>>([
    { relax: 'gumbel' },
    { relax: 'budget', optimizer: 'gradient' },
    { relax: 'softmax', optimizer: 'mirror' },
    { order: 'second' },
    { start: 'gradient-norm' },
  ])('runs with %j, and gives the same bits again', async (changes) => {
    const [one, again] = [await search(changes), await search(changes)];
    expect(one.relaxed.flat().every((value) => value > 0 && value < 1)).toBe(true);
    expect(one.history.at(-1)!.spread).toBeGreaterThan(1e-3);
    expect(again).toEqual(one);
  });

  it.each<Partial<SearchOptions>>([{ order: 'first', start: 'gradient-norm', dropoutRate: 0.2 }, { order: 'second' }])(
    'with %j has the same bits where activations are computed again',
    async (changes) => {
      expect(await search({ ...changes, gradientCheckpointing: true })).toEqual(await search(changes));
    },
  );

  it('starts from gradient norms: in each row of mean 0 and spread 0.5', async () => {
    const zero = await search({ steps: 1 });
    const { logits } = await search({ steps: 1, start: 'gradient-norm', damLearningRate: 1e-9 });
    expect(zero.logits.flat().every((logit) => Math.abs(logit) === 0)).toBe(true);
    for (const row of logits) {
      expect(row.reduce((sum, logit) => sum + logit, 0)).toBeCloseTo(0, 3);
      expect(Math.sqrt(row.reduce((sum, logit) => sum + logit ** 2, 0) / 6)).toBeCloseTo(0.5, 1);
    }
  });

  it('is driven towards a binary matrix by the weight of its entropy', async () => {
    const plain = await search({ steps: 12, damLearningRate: 0.2 });
    const driven = await search({ steps: 12, damLearningRate: 0.2, entropyWeight: 5 });
    expect(driven.history.at(-1)!.entropy).toBeLessThan(plain.history.at(-1)!.entropy);
  });

  it('gives the same bits for the same seed and others for another', async () => {
    const [one, again, other] = [await search(), await search(), await search({}, undefined, 6)];
    expect(again.logits).toEqual(one.logits);
    expect(again.history).toEqual(one.history);
    expect(again.adapters.map(({ values }) => values)).toEqual(one.adapters.map(({ values }) => values));
    expect(other.logits).not.toEqual(one.logits);
  });

  it('stops at a step when it is aborted', async () => {
    const abort = new AbortController();
    const onStep = ({ step }: { step: number }) => step === 2 && abort.abort();
    await expect(search({ signal: abort.signal, onStep })).rejects.toThrow(/abort/i);
  });

  describe('shared by several', () => {
    const members = async (count: number) =>
      Promise.all(
        Array.from({ length: count }, async (_, i) => ({
          head: await headParameters(model, 5 + i),
          halves: { train: examples(24, `a${i}`), validation: examples(24, `b${i}`) },
          seed: 5 + i,
        })),
      );
    const plain = { relax: 'softmax', optimizer: 'mirror', start: 'zero' } as const;

    it('moves the matrix by the mean of their gradients, while each learns as it would alone', async () => {
      // In the first two steps mirror descent moves by a gradient over its own size: what counts is the direction.
      const together = await searchDam(model, await members(3), { ...options, ...plain, steps: 2 });
      const alone = [];
      for (const one of await members(3)) alone.push(await searchDam(model, [one], { ...options, ...plain, steps: 2 }));
      const losses = alone.map(({ history }) => history[0]!.validationLoss!);
      expect(together.history[0]!.validationLoss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss) / 3, 5);
      const mean = together.slopes![0]!.map((row, layer) =>
        row.map((_, column) => together.slopes!.reduce((sum, one) => sum + one[layer]![column]!, 0) / 3),
      );
      const size = Math.sqrt(mean.flat().reduce((sum, value) => sum + value ** 2, 0) / mean.flat().length);
      // The first gradient is 0, so that the second alone has moved the logits: 0.5 / (1 - 0.25) of a step of its direction.
      const step = (0.03 * 0.5) / (1 - 0.5 ** 2) / Math.sqrt(0.001 / (1 - 0.999 ** 2));
      for (const [layer, row] of together.logits.entries()) {
        for (const [column, logit] of row.entries())
          expect(logit).toBeCloseTo((-step * mean[layer]![column]!) / size, 4);
      }
    });

    it('gives the same bits for the same seeds', async () => {
      const [one, again] = [
        await searchDam(model, await members(2), options),
        await searchDam(model, await members(2), options),
      ];
      expect(again).toEqual(one);
    });

    it('of one is a search alone, each with its own dropout', async () => {
      const [same] = await members(1);
      const twice = [same!, (await members(1))[0]!];
      const drawn = { ...options, ...plain, dropoutRate: 0.3, steps: 3 };
      const both = await searchDam(model, twice, drawn);
      const alone = await searchDam(model, await members(1), drawn);
      // The same halves, seed and head: what differs is what dropout draws, which the first validation does not see.
      expect(both.history[0]!.validationLoss).toBe(alone.history[0]!.validationLoss);
      expect(both.slopes![0]).not.toEqual(both.slopes![1]);
      const still = { ...drawn, dropoutRate: 0 };
      const [first, second] = (await searchDam(model, [(await members(1))[0]!, (await members(1))[0]!], still)).slopes!;
      expect(second).toEqual(first);
    });

    it('is refused in the second order', async () => {
      await expect(members(2).then((two) => searchDam(model, two, { ...options, order: 'second' }))).rejects.toThrow(
        'Searches that share a matrix run in the first order',
      );
    });
  });
});
