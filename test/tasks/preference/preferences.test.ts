import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loraPlan } from '../../../src/adapters/methods/lora.js';
import type { Example } from '../../../src/data/types.js';
import { accumulator } from '../../../src/engine/accumulate.js';
import { collate } from '../../../src/engine/batching.js';
import { BatchStream } from '../../../src/engine/batchStream.js';
import { type GradientStep, openGradientStep } from '../../../src/engine/gradientStep.js';
import { type Parameter, parameter } from '../../../src/engine/parameters.js';
import type { ChatMessage } from '../../../src/infer/chat.js';
import { openModelByName } from '../../../src/models/loading/openedModel.js';
import type { OpenedModel } from '../../../src/models/loading/withHead.js';
import { silent } from '../../../src/reporter.js';
import type { TaskAsked } from '../../../src/tasks/kinds/kind.js';
import { type PreferenceFacts, preference } from '../../../src/tasks/kinds/preference.js';
import {
  type PreferenceLossName,
  preferenceLosses,
  preferenceLossNames,
} from '../../../src/tasks/preference/losses.js';
import { expectClose, readOracle, type TensorKeys } from '../../fixtures.js';
import { parametersOf } from '../../models/tinyBert.js';
import { chatModel } from '../chat/chatModel.js';

interface Row {
  readonly prompt: readonly ChatMessage[];
  readonly chosen: readonly [ChatMessage];
  readonly rejected: readonly [ChatMessage];
}

/** What TRL makes of them: test/oracle/preference_fixture.py. */
interface Fixture {
  readonly pairs: readonly Row[];
  readonly sequences: readonly Readonly<Record<'prompt_ids' | 'chosen_ids' | 'rejected_ids', readonly number[]>>[];
  readonly cases: readonly {
    readonly loss: PreferenceLossName;
    readonly beta: number;
    readonly simpoGamma?: number;
    readonly desirableWeight?: number;
    readonly undesirableWeight?: number;
    /** What LoRA's B is times. */
    readonly scale?: number;
    readonly labelSmoothing?: number;
    readonly value: number;
    readonly rewards?: Readonly<Record<'chosen' | 'rejected' | 'margins', number> & { readonly accuracies?: number }>;
    readonly gradients: Readonly<Record<string, readonly number[]>>;
  }[];
}

const fixture: Fixture = JSON.parse(await readFile(join(import.meta.dirname, 'fixtures', 'preference.json'), 'utf8'));
const llama = await readOracle<{
  readonly lora: { readonly rank: number; readonly alpha: number };
  readonly adapter: TensorKeys;
}>('families/llama');

let folder: string;
let opened: OpenedModel;
let parameters: Parameter[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-preference-'));
  const model = await chatModel(join(folder, 'model'));
  opened = await openModelByName(model, { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' }, silent);
  parameters = parametersOf(llama.all(llama.description.adapter));
});
afterAll(() => rm(folder, { recursive: true }));

const examples = fixture.pairs.map(({ prompt, chosen, rejected }, i): Example => {
  const judged = { chosen: chosen[0], rejected: rejected[0] };
  return { id: String(i + 1), text: '', conversation: { messages: prompt }, judged };
});

const options = { maxLength: 128, warn: (message: string) => expect.fail(message), threads: 1 };

/** The chosen answers, then the rejected ones, each with its label. */
const labelled = ([1, 0] as const).flatMap((label) =>
  fixture.pairs.map(({ prompt, chosen, rejected }, i): Example => {
    const judged = { answer: (label === 1 ? chosen : rejected)[0], isDesirable: label === 1 };
    return { id: String(i + 1), text: '', conversation: { messages: prompt }, judged, label };
  }),
);
const examplesOf = (loss: PreferenceLossName) => (preferenceLosses[loss].form === 'pairs' ? examples : labelled);

const taskOf = (preferred: PreferenceFacts): TaskAsked => ({
  name: 'pairs',
  kind: preference,
  labels: [],
  metrics: preference.metrics({ text: 'prompt', label: 'chosen' }, { preference: preferred }).usual,
  preference: preferred,
});

const scaled = (scale: number) =>
  scale === 1
    ? parameters
    : parameters.map((one) =>
        one.name.endsWith('lora_B')
          ? parameter(
              one.name,
              one.shape,
              one.values.map((value) => scale * value),
            )
          : one,
      );

const plan = () => loraPlan(llama.description.lora, { own: opened.model.adaptable, shared: [] });

it('have the tokens of TRL, the answers alone being learned', async () => {
  const encoded = await preference.encode(opened, taskOf({ loss: 'sigmoid', beta: 0.1 }), examples, options);
  for (const [i, { prompt_ids: prompt, chosen_ids: chosen, rejected_ids: rejected }] of fixture.sequences.entries()) {
    const { further, ...first } = encoded[i]!;
    for (const [text, answer] of [[first, chosen] as const, [further![0]!, rejected] as const]) {
      expect([...text.inputIds]).toEqual([...prompt, ...answer]);
      const ignored = Array.from({ length: prompt.length - 1 }, () => -100);
      expect([...text.tokenLabels!]).toEqual([...ignored, ...answer, -100]);
    }
  }
});

describe('losses and gradients are those of TRL', () => {
  it.each(fixture.cases.map((one) => [`${one.loss}, β ${one.beta}, ε ${one.labelSmoothing ?? 0}`, one] as const))(
    '%s',
    async (_, { labelSmoothing = 0, scale = 1, value, rewards, gradients, ...preferred }) => {
      const { loss } = preferred;
      const task = taskOf(preferred);
      const examples = examplesOf(loss);
      const encoded = await preference.encode(opened, task, examples, options);
      const parameters = scaled(scale);
      const changes = { settings: { labelSmoothing }, task, examples: encoded };
      const objective = preference.objective(changes, task);
      let step: GradientStep | undefined;
      try {
        step = await openGradientStep(opened.model, {
          objective,
          plan: plan(),
          parameters,
          wrt: parameters,
          threads: 1,
          largestBatch: { batch: 12, seq: 64 },
        });
        const batch = collate(encoded, opened.model.padTokenId, objective);
        expectClose('loss', [await step.run(batch, 0)], [value], { relative: 1e-5, floor: 1e-6 });
        expect(parameters.map(({ name }) => name).sort()).toEqual(Object.keys(gradients).sort());
        // Elements that cancel carry the rounding of float32; it is the gradient as a whole that is to be equal.
        let [off, size] = [0, 0];
        for (const [i, { name }] of parameters.entries()) {
          const [found, expected] = [step.gradients[i]!, gradients[name]!];
          expectClose(`gradient of ${name}`, found, expected, { relative: 2e-4, floor: 1e-5 });
          for (const [k, wanted] of expected.entries()) {
            off += (found[k]! - wanted) ** 2;
            size += wanted ** 2;
          }
        }
        expect(Math.sqrt(off / size)).toBeLessThan(1e-5);
      } finally {
        await step?.release();
      }
      if (rewards === undefined) return;
      const scorer = await preference.scorer(opened, task, examples, options);
      const open = await scorer.open({ opened, plan: plan(), parameters }, { threads: 1 });
      const { scores } = await open.score({}).finally(open.release);
      const { chosen, rejected, accuracies, margins } = rewards;
      const found = [scores.chosen_reward, scores.rejected_reward, scores.reward_margin];
      expect(scores.reward_accuracy).toEqual(accuracies === undefined ? undefined : expect.closeTo(accuracies, 6));
      expectClose('rewards', found as number[], [chosen, rejected, margins], {
        relative: 1e-5,
        floor: 1e-5,
      });
      // What of ORPO's loss is a mean over tokens is one for each example here: there is no batch.
      if (loss !== 'orpo') expectClose('loss', [scores.loss!], [value], { relative: 1e-5, floor: 1e-6 });
    },
  );
});

it.each(preferenceLossNames.filter((name) => !preferenceLosses[name].isJoint))(
  '%s: a batch in parts has the loss and the gradients of the whole',
  async (loss) => {
    const task = taskOf({ loss, beta: 0.5, simpoGamma: 0.3 });
    const encoded = await preference.encode(opened, task, examples, options);
    const objective = preference.objective(undefined, task);
    const { padTokenId } = opened.model;
    const batches = new BatchStream(encoded, { batchSize: 3, seed: 1, padTokenId, objective });
    const largestBatch = { batch: 6, seq: 64 };
    const shared = { objective, plan: plan(), parameters, wrt: parameters, threads: 1, largestBatch };
    const step = await openGradientStep(opened.model, shared);
    try {
      const whole = await step.run(batches.at(0), 0);
      const expected = step.gradients.map((one) => one.slice());
      const cut = accumulator(step, objective.weight);
      expect(batches.partsAt(0, 2)).toHaveLength(2);
      expectClose('loss', [(await cut.run(batches.partsAt(0, 2), 0))!], [whole], { relative: 1e-6, floor: 0 });
      for (const [i, { name }] of parameters.entries()) {
        expectClose(`gradient of ${name}`, cut.gradients[i]!, expected[i]!, { relative: 1e-4, floor: 1e-5 });
      }
    } finally {
      await step.release();
    }
  },
);
