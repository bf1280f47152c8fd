import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { type TrainingOptions, type TrainStep, trainParameters } from '../../src/engine/training.js';
import type { TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import type { Work } from '../../src/progress.js';
import { randomStream } from '../../src/random.js';
import { classificationObjective } from '../../src/tasks/kinds/classification.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { type ObjectiveName, objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';
import { trainingOptions } from './trainingOptions.js';

async function train(changes: Partial<TrainingOptions>, given?: Given) {
  const { model, plan, parameters, encoded } = given ?? (await classification());
  const losses: number[] = [];
  const norms: number[] = [];
  await trainParameters(model, plan, parameters, encoded, {
    ...trainingOptions,
    onStep: ({ loss, gradientNorm }) => {
      losses.push(loss!);
      norms.push(gradientNorm!);
    },
    ...changes,
  });
  return { parameters, losses, norms };
}

type Given = Awaited<ReturnType<typeof classification>>;

async function classification() {
  const model = await openTinyBert();
  const plan = planOf(model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  return { model, plan, parameters, encoded: examples(22, 'a') };
}

/** Sentences of 5-8 random ids with a label for each token (some have none), and an answer. */
function tokenExamples(count: number, classes: number): EncodedExample[] {
  const stream = randomStream(1, 'token examples');
  return examples(count, 'b').map((example) => {
    const length = example.inputIds.length;
    const first = 1 + stream.integer(3);
    const tokenLabels = Int32Array.from({ length }, (_, i) =>
      i < first || stream.integer(4) === 0 ? -100 : stream.integer(classes),
    );
    tokenLabels[4] = stream.integer(classes);
    return {
      ...example,
      inputIds: example.inputIds.map((id) => 10 + (id % 50)),
      tokenLabels,
      span: [first, 4] as const,
    };
  });
}

/** Trains with other losses than the one of classification. */
async function trainKind(family: string, taskType: TaskType, kind: ObjectiveName, parts: number) {
  const model = openModel(await openCheckpoint(oraclePath('families', family)), { taskType, numLabels: 3 });
  const plan = planOf(model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  return train(
    { objective: objectives[kind], parts },
    { model, plan, parameters, encoded: tokenExamples(22, model.numLabels) },
  );
}

describe('a batch cut into parts', () => {
  it.each([
    ['gpt2', 'CAUSAL_LM', 'language'],
    ['llama', 'CAUSAL_LM', 'language'],
    ['bert', 'QUESTION_ANS', 'span'],
    ['gpt2', 'QUESTION_ANS', 'span'],
    ['bert', 'TOKEN_CLS', 'tokens'],
  ] as const)('%s, %s: the losses and weights of the whole batch', async (family, taskType, kind) => {
    const whole = await trainKind(family, taskType, kind, 1);
    const cut = await trainKind(family, taskType, kind, 3);
    expectClose('losses', cut.losses, whole.losses, { relative: 1e-5, floor: 0 });
    expectClose('gradient norms', cut.norms, whole.norms, { relative: 1e-5, floor: 0 });
    for (const [i, { name, values }] of whole.parameters.entries()) {
      // It moves all positions alike, so that its slope is 0 and AdamW's step is the sign of rounding.
      if (name === 'qa_outputs.bias') continue;
      expectClose(name, cut.parameters[i]!.values, values, { relative: 1e-4, floor: 2e-5 });
    }
  });

  it.each([2, 3, 8])(
    '%i parts: the losses and weights of the whole batch, the last and smaller one too',
    async (parts) => {
      const [whole, cut] = [await train({}), await train({ parts })];
      expectClose('losses', cut.losses, whole.losses, { relative: 1e-5, floor: 1e-6 });
      for (const [i, { name, values }] of whole.parameters.entries()) {
        expectClose(name, cut.parameters[i]!.values, values, { relative: 1e-4, floor: 2e-5 });
      }
    },
  );

  it('and weighted by class: the same as whole', async () => {
    const objective = classificationObjective({ classWeights: [1, 3, 0.2], labelSmoothing: 0.1 });
    const [whole, cut] = [await train({ objective }), await train({ objective, parts: 3 })];
    expectClose('losses', cut.losses, whole.losses, { relative: 1e-5, floor: 1e-6 });
    expect(whole.losses).not.toEqual((await train({})).losses);
  });

  it('gives the same bits again, and other masks of dropout to every part', async () => {
    const [one, again] = [await train({ parts: 2, dropoutRate: 0.3 }), await train({ parts: 2, dropoutRate: 0.3 })];
    expect(again.losses).toEqual(one.losses);
    expect((await train({ dropoutRate: 0.3 })).losses).not.toEqual(one.losses);
  });
});

describe('the learning rates of a run', () => {
  /** transformers 5.23, get_scheduler with 2 of 8 steps of warm-up, lr 1, from its second step on. */
  it.each([
    ['linear', [0.5, 1, 0.833333333, 0.666666667, 0.5, 0.333333333, 0.166666667]],
    ['cosine', [0.5, 1, 0.933012702, 0.75, 0.5, 0.25, 0.066987298]],
    // constant_with_warmup there
    ['constant', [0.5, 1, 1, 1, 1, 1, 1]],
  ] as const)('are those of transformers, read one step ahead so that none is 0: %s', async (schedule, expected) => {
    const rates: number[] = [];
    const onStep = ({ learningRate }: TrainStep) => rates.push(learningRate);
    await train({ steps: () => 7, warmupRatio: 0.2, learningRate: 1e-3, schedule, onStep });
    expectClose(
      'rates',
      rates,
      expected.map((factor) => 1e-3 * factor),
      { relative: 1e-8, floor: 0 },
    );
  });
});

describe('work', () => {
  it('adds up examples and tokens of what was trained on, whole or in parts, padding left out', async () => {
    const given = await classification();
    const tokens = given.encoded.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    for (const parts of [1, 3]) {
      const seen: number[][] = [];
      const onStep = (_: TrainStep, { examples: count, tokens: real }: Work) => seen.push([count, real]);
      // An epoch is 3 steps of 8 of 22 examples.
      await train({ steps: (perEpoch) => 2 * perEpoch, parts, onStep });
      expect(seen).toHaveLength(6);
      expect(seen[2]).toEqual([22, tokens]);
      expect(seen[5]).toEqual([44, 2 * tokens]);
    }
  });
});
