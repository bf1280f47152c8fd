import { describe, expect, it } from 'vitest';
import { adamW, adamWDefaults, clipGlobalNorm } from '../../src/engine/adamw.js';
import { plainLoop } from '../../src/engine/adamwLoop.js';
import { simdLoop } from '../../src/engine/adamwSimd.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { type Parameter, parameter, withHeadTraining } from '../../src/engine/parameters.js';
import { scheduleFactor } from '../../src/engine/schedule.js';
import type { Model } from '../../src/models/model.js';
import { randomStream } from '../../src/random.js';
import { expectClose, readOracle, type TensorKeys } from '../fixtures.js';
import { type BatchKeys, batchOf, openTinyBert, parametersOf, planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

interface AdamWDescription {
  readonly optimizer: {
    readonly betas: readonly [number, number];
    readonly epsilon: number;
    readonly peakLearningRate: number;
  };
  readonly schedule: { readonly warmupSteps: number; readonly totalSteps: number };
  readonly clipping: { readonly maxNorm: number };
  readonly weightDecay: Readonly<Record<string, number>>;
  readonly headGroup: {
    readonly peakLearningRate: number;
    readonly weightDecay: Readonly<Record<string, number>>;
    readonly steps: readonly { readonly loss: number; readonly gradientNorm: number }[];
    readonly after: TensorKeys;
  };
  readonly batches: readonly BatchKeys[];
  readonly steps: readonly {
    readonly step: number;
    readonly batch: number;
    readonly loss: number;
    readonly learningRate: number;
    readonly gradientNorm: number;
    readonly clipped: boolean;
  }[];
  readonly before: TensorKeys;
  readonly after: Readonly<Record<string, TensorKeys>>;
}

const oracle = await readOracle<AdamWDescription>('adamw');
const { optimizer, schedule, clipping, weightDecay, headGroup, batches, steps, before, after } = oracle.description;

/** Parameters as they start, the step that differentiates by them and their optimiser. */
async function start(change: (parameters: Parameter[], model: Model) => Parameter[] = (parameters) => parameters) {
  const model = await openTinyBert();
  const parameters = change(parametersOf(oracle.all(before)), model);
  const decay = weightDecay['bert.encoder.layer.0.attention.self.query.lora_A']!;
  const gradientStep = await openGradientStep(model, {
    objective: objectives.classification,
    plan: planOf(model),
    parameters,
    wrt: parameters,
    threads: 1,
    largestBatch: { batch: 4, seq: 10 },
  });
  const [beta1, beta2] = optimizer.betas;
  const update = adamW(parameters, { beta1, beta2, epsilon: optimizer.epsilon, weightDecay: decay });
  const decayOf = ({ decays, weightDecay: own = decay }: Parameter) => (decays ? own : 0);
  return { parameters, gradientStep, update, decayOf };
}

describe('20 training steps of the tiny BERT against torch.optim.AdamW', () => {
  it('gives the losses, rates, gradient norms and weights of every step', async () => {
    const { parameters, gradientStep, update, decayOf } = await start();
    for (const one of parameters) expect(decayOf(one), one.name).toBe(weightDecay[one.name]);
    expect(steps).toHaveLength(20);
    expect(new Set(steps.map(({ clipped }) => clipped))).toEqual(new Set([true, false]));

    // PyTorch in float32 differs from these numbers by up to 2.8e-6 (loss), 2.6e-6 (norm) and 3.8e-6 (weight).
    for (const { step, batch, loss, learningRate, gradientNorm, clipped } of steps) {
      const measured = await gradientStep.run(batchOf(oracle, batches[batch]!), step);
      expectClose(`loss of step ${step}`, [measured], [loss], { relative: 2e-5, floor: 0 });
      const { norm, factor } = clipGlobalNorm(gradientStep.gradients, clipping.maxNorm);
      expectClose(`norm of step ${step}`, [norm], [gradientNorm], { relative: 2e-5, floor: 0 });
      expect(norm > clipping.maxNorm).toBe(clipped);
      const rate =
        optimizer.peakLearningRate * scheduleFactor('linear', step - 1, schedule.totalSteps, schedule.warmupSteps);
      expect(rate).toBeCloseTo(learningRate, 15);
      update.step(gradientStep.gradients, rate, factor);
      for (const [name, key] of Object.entries(after[step] ?? {})) {
        const { values } = parameters.find((one) => one.name === name)!;
        expectClose(`${name} after step ${step}`, values, oracle.at(key).data, { relative: 0, floor: 2e-5 });
      }
    }
    expect(Object.keys(after)).toEqual(['1', '2', '20']);
    await gradientStep.release();
  });

  it('gives those of parameter groups where the head has a learning rate and a decay of its own', async () => {
    const { peakLearningRate: lr } = optimizer;
    const headWeightDecay = headGroup.weightDecay['classifier.weight']!;
    const { parameters, gradientStep, update, decayOf } = await start((all, { head }) =>
      withHeadTraining(all, head, { lr, headLr: headGroup.peakLearningRate, headWeightDecay }),
    );
    for (const one of parameters) expect(decayOf(one), one.name).toBe(headGroup.weightDecay[one.name]);
    for (const [i, { loss, gradientNorm }] of headGroup.steps.entries()) {
      const measured = await gradientStep.run(batchOf(oracle, batches[steps[i]!.batch]!), i);
      expectClose(`loss of step ${i + 1}`, [measured], [loss], { relative: 2e-5, floor: 0 });
      const { norm, factor } = clipGlobalNorm(gradientStep.gradients, clipping.maxNorm);
      expectClose(`norm of step ${i + 1}`, [norm], [gradientNorm], { relative: 2e-5, floor: 0 });
      const rate = lr * scheduleFactor('linear', i, schedule.totalSteps, schedule.warmupSteps);
      update.step(gradientStep.gradients, rate, factor);
    }
    for (const { name, values } of parameters) {
      const expected = oracle.at(headGroup.after[name]!).data;
      expectClose(`${name} after step 20`, values, expected, { relative: 0, floor: 2e-5 });
    }
    await gradientStep.release();
  });
});

describe('AdamW', () => {
  it('moves each element by the learning rate against its gradient at the first step (arXiv 1412.6980, section 2.1)', () => {
    const weights = parameter('w', [3], Float32Array.of(1, 2, 3));
    adamW([weights]).step([Float32Array.of(5, -0.01, 0)], 0.1);
    expectClose('w', weights.values, [0.9, 2.1, 3], { relative: 1e-6, floor: 1e-6 });
  });

  it('decays matrices by lr · weightDecay, apart from the gradient, and leaves biases alone', () => {
    const matrix = parameter('w', [1, 2], Float32Array.of(1, -2));
    const bias = parameter('b', [2], Float32Array.of(1, -2));
    adamW([matrix, bias], { weightDecay: 0.5 }).step([new Float32Array(2), new Float32Array(2)], 0.1);
    expectClose('w', matrix.values, [0.95, -1.9], { relative: 1e-6, floor: 0 });
    expect(bias.values).toEqual(Float32Array.of(1, -2));
  });
});

describe('the loop in WebAssembly', () => {
  it('gives the bits of the loop in JavaScript, whatever the lengths', () => {
    const stream = randomStream(7, 'loops');
    const lengths = [1, 2, 3, 4, 4096, 4097, 9001];
    const draw = (length: number, size: number) => Float32Array.from({ length }, () => size * stream.normal());
    const values = lengths.map((length) => draw(length, 0.1));
    const plain = plainLoop(lengths.map((length) => parameter('w', [length], new Float32Array(length))));
    const simd = simdLoop(lengths)!;
    const other = values.map((one) => one.slice());
    for (let step = 1; step <= 3; step++) {
      const terms = {
        ...adamWDefaults,
        stepSize: 0.01 / (1 - 0.9 ** step),
        secondCorrection: 1 / Math.sqrt(1 - 0.999 ** step),
        keep: 1 - 0.01 * step,
        factor: step === 2 ? 1 : 0.37,
      };
      for (const [i, length] of lengths.entries()) {
        const gradient = draw(length, step === 3 ? 1e-22 : 1);
        plain.move(i, values[i]!, gradient, terms);
        simd.move(i, other[i]!, gradient, terms);
      }
    }
    expect(other).toEqual(values);
    expect(simd.first).toEqual(plain.first);
    expect(simd.second).toEqual(plain.second);
  });

  it('keeps the moments of many numbers, so that an optimiser that takes them up goes on alike', () => {
    const shape = [1024, 1024];
    const [whole, resumed] = [1, 2].map(() => parameter('w', shape, new Float32Array(2 ** 20).fill(1)));
    const gradient = Float32Array.from({ length: 2 ** 20 }, (_, i) => Math.sin(i));
    const optimizer = adamW([whole!]);
    optimizer.step([gradient], 0.1);
    const later = adamW([resumed!]);
    later.restore(optimizer.state());
    resumed!.values.set(whole!.values);
    optimizer.step([gradient], 0.1);
    later.step([gradient], 0.1);
    expect(Buffer.from(resumed!.values.buffer).equals(Buffer.from(whole!.values.buffer))).toBe(true);
  });
});

describe('clipGlobalNorm', () => {
  it('gives the one factor that scales all gradients to the given norm', () => {
    const gradients = [Float32Array.of(3, 0), Float32Array.of(0, 4)];
    const { norm, factor } = clipGlobalNorm(gradients, 1);
    expect(norm).toBe(5);
    expect(factor).toBeCloseTo(0.2, 6);
  });

  it('gives 1 for gradients below the norm', () => {
    const { norm, factor } = clipGlobalNorm([Float32Array.of(0.3, 0.4)], 1);
    expect(norm).toBeCloseTo(0.5, 6);
    expect(factor).toBe(1);
  });
});
