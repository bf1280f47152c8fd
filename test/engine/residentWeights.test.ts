import { describe, expect, it } from 'vitest';
import { fullPlan } from '../../src/adapters/methods/full.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { adapterParameters, type Parameter } from '../../src/engine/parameters.js';
import { type TrainingOptions, trainParameters } from '../../src/engine/training.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import type { ComputeDevice } from '../../src/runtime/devices/computeDevice.js';
import { cpu } from '../../src/runtime/devices/cpu.js';
import { webgpu } from '../../src/runtime/devices/webgpu.js';
import type { FoundStage } from '../../src/state.js';
import { temporaryFolder } from '../cli/run.js';
import { modelWithInfinity, rareId } from '../models/brokenModel.js';
import { openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { examples } from '../selection/examples.js';
import { hasWebgpu } from '../webgpu.js';
import { trainingOptions } from './trainingOptions.js';

/** Every matrix of the tiny BERT stays on the device; its biases and norms, of 64 numbers at most, do not. */
const residentFrom = 65;
const learningRate = 1e-3;

/** Four steps of full fine-tuning, and the state that is saved after each. */
async function train(device: ComputeDevice, changes: Partial<TrainingOptions> = {}, given?: Given) {
  const model = { ...(given?.model ?? (await openTinyBert())), device };
  const plan = given === undefined ? fullPlan(model) : planOf(model);
  const encoded = given?.encoded ?? examples(22, 'a');
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  const start = new Map(parameters.map(({ name, values }) => [name, values.slice()]));
  const losses: (number | null)[] = [];
  const norms: (number | null)[] = [];
  const warnings: string[] = [];
  const saved: FoundStage[] = [];
  await trainParameters(model, plan, parameters, encoded, {
    ...trainingOptions,
    learningRate,
    residentFrom,
    maxGradNorm: 0.5,
    onStep({ loss, gradientNorm }) {
      losses.push(loss);
      norms.push(gradientNorm);
    },
    warn: (message) => warnings.push(message),
    stage: {
      found: undefined,
      reached: async (step, state, last) => void saved.push({ step, last, state: structuredClone(await state()) }),
    },
    ...changes,
  });
  return { parameters, start, losses, norms, warnings, saved };
}

/** A model whose adapters are trained, and its examples. */
interface Given {
  readonly model: Model;
  readonly encoded: readonly EncodedExample[];
}

type Trained = Awaited<ReturnType<typeof train>>;

/** The distance between what two runs have learned, over what one has. */
function apart(one: Trained, other: Trained): number {
  const squares = (difference: (parameter: Parameter, i: number, k: number) => number) =>
    one.parameters.reduce(
      (sum, parameter, k) => sum + parameter.values.reduce((own, _, i) => own + difference(parameter, i, k) ** 2, 0),
      0,
    );
  const between = squares(({ values }, i, k) => values[i]! - other.parameters[k]!.values[i]!);
  return Math.sqrt(between / squares(({ name, values }, i) => values[i]! - one.start.get(name)![i]!));
}

function expectAlike(found: readonly (number | null)[], expected: readonly (number | null)[]): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of found.entries()) expect(Math.abs(value! / expected[i]! - 1), `at ${i}`).toBeLessThan(1e-4);
}

describe.skipIf(!hasWebgpu)('weights that stay on WebGPU between steps', () => {
  it('are moved as those of the CPU, with clipping, decay and moments, and come back for every checkpoint', async () => {
    const expected = await train(cpu);
    const found = await train(webgpu);
    expectAlike(found.losses, expected.losses);
    expectAlike(found.norms, expected.norms);
    expect(found.norms.some((norm) => norm! > 0.5)).toBe(true);
    // Gradients that are 0 but for rounding (of key biases) move by their sign.
    expect(apart(found, expected)).toBeLessThan(0.02);
    expect(found.saved).toHaveLength(4);
    for (const [i, { state }] of found.saved.entries()) {
      const other = expected.saved[i]!.state;
      expect(state.values).toEqual(other.values);
      expect(Object.keys(state.arrays)).toEqual(Object.keys(other.arrays));
      for (const [name, array] of Object.entries(state.arrays)) {
        if (!name.includes('first/') || name.includes('key.bias')) continue;
        const scale = Math.max(...other.arrays[name]!.map(Math.abs));
        const largest = Math.max(...array.map((value, k) => Math.abs(value - other.arrays[name]![k]!)));
        expect(largest, `${name} of checkpoint ${i}`).toBeLessThanOrEqual(1e-3 * scale);
      }
    }
  });

  it('go on from a checkpoint with the bits of a run that was not interrupted', async () => {
    const whole = await train(webgpu);
    const found = whole.saved[1]!;
    const resumed = await train(webgpu, { stage: { found, reached: async () => {} } });
    for (const [i, { name, values }] of resumed.parameters.entries()) {
      expect(Buffer.from(values.buffer).equals(Buffer.from(whole.parameters[i]!.values.buffer)), name).toBe(true);
    }
  });

  it('are left as they are by a step whose loss is not finite', async () => {
    const folder = await temporaryFolder();
    try {
      const model = openModel(await openCheckpoint(await modelWithInfinity(folder.path('model'))), { numLabels: 3 });
      const rare = await rareId();
      const encoded = examples(22, 'a').map((example) => {
        const inputIds = example.inputIds.map((id) => (id === rare ? rare + 1 : id));
        if (example.index === 3) inputIds[1] = rare;
        return { ...example, inputIds };
      });
      const [expected, found] = [await train(cpu, {}, { model, encoded }), await train(webgpu, {}, { model, encoded })];
      const left = expected.losses.map((loss) => loss === null);
      expect(new Set(left)).toEqual(new Set([true, false]));
      expect(found.losses.map((loss) => loss === null)).toEqual(left);
      const done = ({ losses }: Trained) => losses.filter((loss) => loss !== null);
      expectAlike(done(found), done(expected));
      expect(apart(found, expected)).toBeLessThan(0.02);
    } finally {
      await folder.remove();
    }
  });

  it('come back in every step where a batch is cut into parts, which is said', async () => {
    const [found, expected] = [await train(webgpu, { parts: 2 }), await train(cpu, { parts: 2 })];
    expect(found.warnings).toEqual([
      'Gradients come back from webgpu in every step, and AdamW runs on the processor: a batch is cut into parts.',
    ]);
    expectAlike(found.losses, expected.losses);
  });
});
