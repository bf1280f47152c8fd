import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adaLoraPlan } from '../../src/adapters/methods/adalora.js';
import type { AdapterPlan } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { type TrainingOptions, type TrainStep, trainParameters } from '../../src/engine/training.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { type SearchOptions, searchDam } from '../../src/selection/search.js';
import type { State } from '../../src/state.js';
import { temporaryFolder } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { modelWithInfinity, rareId } from '../models/brokenModel.js';
import { planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';
import { searchOptions } from '../selection/searchOptions.js';
import { trainingOptions } from './trainingOptions.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let model: Model;
let rare: number;
beforeAll(async () => {
  folder = await temporaryFolder();
  model = openModel(await openCheckpoint(await modelWithInfinity(folder.path('model'))), { numLabels: 3 });
  rare = await rareId();
});
afterAll(() => folder.remove());

/** 24 examples, of which `bad` have the token whose embedding is infinite. */
function withRare(name: string, bad: readonly number[]): EncodedExample[] {
  return examples(24, name).map((example) => {
    const inputIds = example.inputIds.map((id) => (id === rare ? rare + 1 : id));
    if (bad.includes(example.index)) inputIds[1] = rare;
    return { ...example, inputIds };
  });
}

interface Seen {
  readonly state: State;
  readonly parameters: readonly (readonly number[])[];
}

/** Trains six steps of eight examples, an epoch being three, and looks at the state after each. */
async function train(encoded: readonly EncodedExample[], changes: Partial<TrainingOptions> = {}, plan = planOf(model)) {
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  const steps: TrainStep[] = [];
  const warnings: string[] = [];
  const seen: Seen[] = [];
  await trainParameters(model, plan, parameters, encoded, {
    ...trainingOptions,
    steps: () => 6,
    onStep: (step) => steps.push(step),
    warn: (message) => warnings.push(message),
    stage: {
      found: undefined,
      reached: async (_, state) => {
        seen.push({
          state: structuredClone(await state()),
          parameters: parameters.map(({ values }) => Array.from(values)),
        });
      },
    },
    ...changes,
  });
  return { steps, warnings, seen, parameters };
}

const left = (steps: readonly TrainStep[]) => steps.flatMap(({ skipped, step }) => (skipped === true ? [step] : []));

describe('a training step whose loss is not finite', () => {
  it.each([1, 2])('changes neither parameters nor moments, with %i parts to a batch', async (parts) => {
    const { steps, seen, warnings } = await train(withRare('a', [5]), { parts });
    const skipped = left(steps);
    expect(skipped).toHaveLength(2);
    for (const step of skipped) {
      expect(steps[step]).toMatchObject({ loss: null, gradientNorm: null, skipped: true });
      if (step === 0) continue;
      expect(seen[step]!.parameters).toEqual(seen[step - 1]!.parameters);
      expect(seen[step]!.state.arrays).toEqual(seen[step - 1]!.state.arrays);
    }
    expect(seen.at(-1)!.state.values).toMatchObject({ weights: { optimizer: { steps: 4 } }, skipped: { count: 2 } });
    expect(seen.at(-1)!.parameters.flat().every(Number.isFinite)).toBe(true);
    expect(warnings).toEqual([
      `Step ${skipped[0]! + 1} of the training has loss NaN, gradient norm NaN and is left out; so are up to 10 in all.`,
      '2 of 6 steps of the training were left out: loss or gradient was not finite.',
    ]);
  });

  it('leaves schedule and data as they are: every other step has the rate and the batch of its number', async () => {
    const [broken, whole] = [await train(withRare('a', [5])), await train(withRare('a', []))];
    expect(broken.steps.map(({ learningRate }) => learningRate)).toEqual(
      whole.steps.map(({ learningRate }) => learningRate),
    );
    const first = left(broken.steps)[0]!;
    expect(first).toBeGreaterThan(0);
    expect(broken.steps.slice(0, first)).toEqual(whole.steps.slice(0, first));
  });

  it('ends the training where there are more than may be, and at the first where none may be', async () => {
    const all = withRare('a', [...Array(24).keys()]);
    await expect(train(all, { maxSkippedSteps: 3 })).rejects.toThrow(
      /diverged at step 4: loss NaN, .*3 steps have been left out already \(--max-skipped-steps 3\)\. Lower --lr/,
    );
    await expect(train(all, { maxSkippedSteps: 0 })).rejects.toThrow('diverged at step 1');
    expect(left((await train(all, { maxSkippedSteps: 6 })).steps)).toHaveLength(6);
  });

  it('ends the training at once where the parameters are not finite themselves', async () => {
    await expect(train(withRare('a', []), { learningRate: 1e39 })).rejects.toThrow(
      /diverged at step 2: .* holds (NaN|-?Infinity) at position/,
    );
  });

  it('is an error at the end where the last step has broken the parameters', async () => {
    await expect(train(withRare('a', []), { learningRate: 1e39, steps: () => 1 })).rejects.toThrow(
      /The training diverged: .* holds/,
    );
  });

  it('adds nothing to what AdaLoRA remembers of the gradients, and its budget falls as planned', async () => {
    const settings = {
      rank: 2,
      alpha: 4,
      loraDropout: 0,
      bias: 'none',
      adaloraInitRank: 4,
      adaloraTinit: 0,
      adaloraTfinal: 1,
      adaloraDeltaT: 1,
      adaloraBeta1: 0.85,
      adaloraBeta2: 0.85,
      adaloraOrthogonality: 0.5,
    } as const;
    const plan: AdapterPlan = adaLoraPlan(settings, { own: model.adaptable, shared: [] }, model);
    const { steps, seen } = await train(withRare('a', [5]), {}, plan);
    expect(left(steps)).toHaveLength(2);
    for (const { state } of seen) {
      const averages = Object.entries(state.arrays).filter(([name]) => name.startsWith('weights/control/'));
      expect(averages.length).toBeGreaterThan(0);
      for (const [, values] of averages) expect(values.every(Number.isFinite)).toBe(true);
    }
    const kept = (seen.at(-1)!.state.values.weights as { control: { kept: boolean[][] } }).control.kept.flat();
    expect(kept.filter((one) => one)).toHaveLength(2 * model.adaptable.length);
  });
});

describe('tokens without a label', () => {
  const unlabelled = (which: readonly number[]): EncodedExample[] =>
    withRare('b', []).map((example) => ({
      ...example,
      tokenLabels: example.inputIds.map((_, i) => (i < 2 || which.includes(example.index) ? -100 : i % 3)),
    }));
  const tokens = async (encoded: readonly EncodedExample[], parts: number) => {
    const tokenModel = openModel(await openCheckpoint(oraclePath('families', 'bert')), {
      taskType: 'TOKEN_CLS',
      numLabels: 3,
    });
    const plan = planOf(tokenModel);
    const parameters = [...(await adapterParameters(plan, tokenModel, 1)), ...(await headParameters(tokenModel, 1))];
    const steps: TrainStep[] = [];
    const warnings: string[] = [];
    await trainParameters(tokenModel, plan, parameters, encoded.map(inVocabulary), {
      ...trainingOptions,
      objective: objectives.tokens,
      steps: () => 3,
      parts,
      weightDecay: 0,
      warmupRatio: 0,
      maxSkippedSteps: 0,
      onStep: (step) => steps.push(step),
      warn: (message) => warnings.push(message),
    });
    return { steps, warnings };
  };
  const inVocabulary = (example: EncodedExample) => ({
    ...example,
    inputIds: example.inputIds.map((id) => 10 + (id % 50)),
  });

  it('in a whole part of a batch add nothing: losses are those of the whole batch', async () => {
    const encoded = unlabelled([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    const [whole, cut] = [await tokens(encoded, 1), await tokens(encoded, 8)];
    expect(cut.warnings).toEqual([]);
    for (const [i, { loss }] of whole.steps.entries()) expect(cut.steps[i]!.loss).toBeCloseTo(loss!, 4);
  });

  it('in a whole batch are no fault, and say so', async () => {
    const { steps, warnings } = await tokens(unlabelled([...Array(24).keys()]), 1);
    expect(left(steps)).toEqual([0, 1, 2]);
    expect(warnings[0]).toBe('Step 1 of the training has no label to learn from and is left out.');
  });
});

async function search(
  bad: { train: readonly number[]; validation: readonly number[] },
  changes: Partial<SearchOptions>,
) {
  const states: State[] = [];
  const warnings: string[] = [];
  const result = await searchDam(
    model,
    [
      {
        head: await headParameters(model, 5),
        halves: { train: withRare('a', bad.train), validation: withRare('b', bad.validation) },
        seed: 5,
      },
    ],
    {
      ...searchOptions,
      entropyWeight: 0.1,
      warn: (message) => warnings.push(message),
      stage: { found: undefined, reached: async (_, state) => void states.push(structuredClone(await state())) },
      ...changes,
    },
  );
  return { ...result, states, warnings };
}

const logitsOf = ({ values }: State) => (values.matrix as { logits: { doubles: number[] } }).logits.doubles;
const momentsOf = ({ values }: State) => (values.matrix as { optimizer: unknown }).optimizer;

describe('a search step whose loss is not finite', () => {
  it.each(['first', 'second'] as const)('of the validation half moves no logit (%s order)', async (order) => {
    const { history, states, warnings } = await search({ train: [], validation: [5] }, { order });
    const at = history.findIndex(({ skipped }) => skipped === true);
    expect(at).toBeGreaterThan(0);
    expect(history[at]).toMatchObject({ validationLoss: null, trainLoss: expect.any(Number) });
    expect(logitsOf(states[at]!)).toEqual(logitsOf(states[at - 1]!));
    expect(momentsOf(states[at]!)).toEqual(momentsOf(states[at - 1]!));
    expect(states[at]!.arrays).not.toEqual(states[at - 1]!.arrays);
    expect(logitsOf(states.at(-1)!).every(Number.isFinite)).toBe(true);
    expect(warnings.at(-1)).toBe('1 of 6 steps of the search were left out: loss or gradient was not finite.');
  });

  it.each(['first', 'second'] as const)('of the training half moves no weight (%s order)', async (order) => {
    const { history, states } = await search({ train: [5], validation: [] }, { order });
    const at = history.findIndex(({ skipped }) => skipped === true);
    expect(at).toBeGreaterThan(0);
    expect(history[at]!.trainLoss).toBeNull();
    expect(states[at]!.arrays).toEqual(states[at - 1]!.arrays);
    // Second order looks through the step of the weights, so that there the logits have no gradient either.
    expect(history[at]!.validationLoss === null).toBe(order === 'second');
    expect(logitsOf(states.at(-1)!).every(Number.isFinite)).toBe(true);
  });

  it('ends the search where there are more than may be', async () => {
    const all = [...Array(24).keys()];
    await expect(search({ train: [], validation: all }, { maxSkippedSteps: 2 })).rejects.toThrow(
      /The search diverged at step 3: validation loss NaN, .*2 steps have been left out already/,
    );
  });
});
