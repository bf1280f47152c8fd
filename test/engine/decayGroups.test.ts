import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { type Parameter, parameter, trainedOf, withHeadTraining } from '../../src/engine/parameters.js';
import { planRun, startingParameters } from '../../src/jobs/plan.js';
import type { HeadTensor, Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { oraclePath } from '../fixtures.js';
import { openTinyBert } from '../models/tinyBert.js';

interface Groups {
  readonly decay: readonly string[];
  readonly plain: readonly string[];
}

/** `Trainer.get_decay_parameter_names` of transformers, by diffora's names (test/oracle/decay_groups.py). */
const { methods, families } = JSON.parse(await readFile(oraclePath('decay-groups.json'), 'utf8')) as {
  readonly methods: Readonly<Record<string, Groups>>;
  readonly families: Readonly<Record<string, Groups>>;
};

async function groupsOf(model: Model, settings: Partial<TrainConfigInput>): Promise<Groups> {
  const config = parseTrainConfig({ task: 'x', ...settings }, 'test');
  const plan = planRun(model, config.method, undefined);
  const trained = trainedOf(await startingParameters(model, plan, config.run.seed));
  const names = (decays: boolean) => trained.filter((one) => one.decays === decays).map(({ name }) => name);
  return { decay: names(true).sort(), plain: names(false).sort() };
}

describe('the tensors that decay', () => {
  it.each(['lora', 'adalora'])('are those of transformers with %s, of all biases none', async (method) => {
    const bias = method === 'lora' ? 'all' : 'none';
    const model = await openTinyBert();
    expect(await groupsOf(model, { method: method as 'lora', bias, rank: 2 })).toEqual(methods[method]);
  });

  it.each(['dora', 'vera', 'ia3'])('are those of transformers with %s, but for its vectors', async (method) => {
    const rank = method === 'ia3' ? {} : { rank: 2 };
    const { decay, plain } = await groupsOf(await openTinyBert(), { method: method as 'dora', ...rank });
    const isVector = (name: string) => /\.(lora_magnitude_vector|vera_lambda_[bd]|ia3_l)$/.test(name);
    const vectors = plain.filter(isVector);
    expect([...decay, ...vectors].sort()).toEqual(methods[method]!.decay);
    expect(plain.filter((name) => !isVector(name))).toEqual(methods[method]!.plain);
    // 18 modules, each with one vector of DoRA or two of VeRA; three modules of each of three layers with one of IA³.
    expect(vectors).toHaveLength({ dora: 18, vera: 36, ia3: 9 }[method]!);
  });

  it('are with BitFit those of the head alone, and with bottlenecks their weights', async () => {
    const model = await openTinyBert();
    expect((await groupsOf(model, { method: 'bitfit' })).decay).toEqual(['classifier.weight']);
    for (const method of ['houlsby', 'pfeiffer'] as const) {
      const { decay, plain } = await groupsOf(model, { method });
      expect(decay.every((name) => /^classifier\.weight$|\.adapter_(down|up)\.weight$/.test(name))).toBe(true);
      expect(plain.every((name) => /\.bias$|LayerNorm\.weight$/.test(name))).toBe(true);
    }
  });

  it.each(Object.keys(families))('are those of transformers when all of %s is trained', async (family) => {
    const options = { taskType: 'SEQ_CLS', numLabels: 3, head: 'all' } as const;
    const model = await openModel(await openCheckpoint(oraclePath('families', family)), options);
    expect(await groupsOf(model, { method: 'full' })).toEqual(families[family]);
  });
});

describe('a head of its own', () => {
  const head = [{ name: 'classifier.weight' }, { name: 'classifier.bias' }] as unknown as HeadTensor[];
  const all = [
    parameter('lora_A', [2, 4], new Float32Array(8)),
    parameter('classifier.weight', [2, 4], new Float32Array(8)),
    parameter('classifier.bias', [2], new Float32Array(2)),
  ];
  const of = (parameters: readonly Parameter[]) =>
    parameters.map(({ rateFactor, weightDecay }) => [rateFactor, weightDecay]);

  it('has its rate and its decay, over the same values', () => {
    const found = withHeadTraining(all, head, { lr: 1e-3, headLr: 5e-3, headWeightDecay: 0 });
    expect(of(found)).toEqual([
      [undefined, undefined],
      [5, 0],
      [5, 0],
    ]);
    for (const [i, { values }] of found.entries()) expect(values).toBe(all[i]!.values);
  });

  it('is trained as all else where nothing is said', () => {
    expect(withHeadTraining(all, head, { lr: 1e-3 })).toEqual(all);
  });
});
