import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trainedSize } from '../../src/adapters/fit.js';
import { TooSmallError } from '../../src/adapters/tooSmall.js';
import { estimateRun } from '../../src/jobs/estimate.js';
import { planRun } from '../../src/jobs/plan.js';
import { allowanceOf, refuseTooFew } from '../../src/jobs/selectModules.js';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import type { Model } from '../../src/models/model.js';
import { randomStream } from '../../src/random.js';
import { silent } from '../../src/reporter.js';
import { type Dam, sharings } from '../../src/selection/dam.js';
import { discretise, scopes } from '../../src/selection/discretise.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { reviewsFolder, type temporaryFolder } from '../cli/run.js';
import { openTinyBert } from '../models/tinyBert.js';
import { quickConfig } from './resumed.js';

/** Rank 1 on a layer of the tiny BERT: four modules of 32 by 32, two of 32 by 64; there are three layers. */
const [small, large] = [32 + 32, 32 + 64];
const everywhere = 3 * (4 * small + 2 * large);

let model: Model;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  model = await openTinyBert(2, 'tiny-bert-backbone');
  ({ folder, task } = await reviewsFolder());
});
afterAll(() => folder.remove());

const configOf = (change: Partial<TrainConfigInput>) =>
  parseTrainConfig({ task: 'x.csv', method: 'lora', ...change }, 'test');
const stream = randomStream(1, 'parameters');
const values = Array.from({ length: 3 }, () => Array.from({ length: 6 }, () => stream.uniform()));

/** A run with `values` for what its selection found. */
function chosen(change: Partial<TrainConfigInput>) {
  const config = configOf({ select: 'random', ...change });
  const { share } = config.selection;
  const gamma = discretise(values, allowanceOf(model, config));
  const plan = planRun(model, config.method, { gamma, share });
  const kept = gamma.flatMap((row, layer) => row.flatMap((mark, column) => (mark === 1 ? [{ layer, column }] : [])));
  const unshared = plan.placements.filter(({ pair, module }) => pair === module.path);
  const ranks = plan.placements.map(({ rank }) => rank);
  return { gamma, kept, size: trainedSize(plan, model), ranks, own: unshared.map(({ module }) => module) };
}

describe('parameters below rank 1 on all modules, with a selection', () => {
  const budgets = [1 / 2, 1 / 4, 1 / 8].map((share) => Math.floor(share * everywhere));
  const methods = ['lora', 'rslora', 'loraplus', 'pissa', 'dora'] as const;
  const cases = methods.flatMap((method) =>
    scopes.flatMap((scope) =>
      sharings.flatMap((share) =>
        [0.33, 1].flatMap((keep) => budgets.map((parameters) => ({ method, scope, share, keep, parameters }))),
      ),
    ),
  );

  it.each(cases)('keep what fits at rank 1: $method, $scope, share $share, keep $keep, $parameters', (settings) => {
    const { scope, keep, parameters, share } = settings;
    let found: ReturnType<typeof chosen>;
    try {
      found = chosen(settings);
    } catch (error) {
      // A pair a column, a column of modules, or DoRA's magnitudes may be too much.
      expect(error).toBeInstanceOf(TooSmallError);
      const least = Number(/takes (\d+)/.exec((error as Error).message)![1]);
      expect(least).toBeGreaterThan(parameters);
      expect(chosen({ ...settings, parameters: least }).kept.length).toBeGreaterThan(0);
      return;
    }
    const { gamma, kept, size, ranks, own } = found;
    expect(own).toHaveLength(kept.length);
    expect(size).toBeLessThanOrEqual(parameters);
    expect(Math.min(...ranks)).toBeGreaterThanOrEqual(1);
    const perRow = Math.max(1, Math.round(keep * 6));
    const counts = gamma.map((row) => row.filter((mark) => mark === 1).length);
    expect(kept.length).toBeLessThanOrEqual(3 * perRow);
    if (scope !== 'global') expect(Math.max(...counts)).toBeLessThanOrEqual(perRow);
    if (scope === 'column') expect(new Set(gamma.map(String)).size).toBe(1);
    // With nothing shared the best of all is among them, and of a row the best of it.
    if (share === 'none' && scope !== 'column') {
      const best = Math.max(...values.flat());
      expect(kept.some(({ layer, column }) => values[layer]![column] === best)).toBe(true);
    }
    // What is left would buy no other module: the share is full, or it is less than the smallest module.
    const isFull = scope === 'global' ? kept.length === 3 * perRow : counts.every((count) => count === perRow);
    if (share === 'none' && scope !== 'column' && settings.method === 'lora' && !isFull) {
      expect(parameters - size).toBeLessThan(large);
    }
  });

  it('are spent in the order of the values, round the rows or over the whole, what is too large passed over', () => {
    const parameters = large + small + 8;
    const order = values
      .flatMap((row, layer) => row.map((value, column) => ({ layer, column, value })))
      .sort((a, b) => b.value - a.value);
    const expected = (candidates: typeof order) => {
      let left = parameters;
      return candidates.filter(({ column }) => {
        const size = column < 4 ? small : large;
        if (size > left) return false;
        left -= size;
        return true;
      });
    };
    const sorted = (all: readonly { layer: number; column: number }[]) =>
      all.map(({ layer, column }) => 6 * layer + column).sort((a, b) => a - b);
    expect(sorted(chosen({ scope: 'global', keep: 1, parameters }).kept)).toEqual(sorted(expected(order)));
    const seen = [0, 0, 0];
    const rounds = order.map((one) => ({ ...one, round: seen[one.layer]!++ })).sort((a, b) => a.round - b.round);
    expect(sorted(chosen({ scope: 'row', keep: 1, parameters }).kept)).toEqual(sorted(expected(rounds)));
  });

  it('change nothing that is kept where the share fits at rank 1, and give higher ranks with what is left', () => {
    for (const scope of scopes) {
      const plain = chosen({ scope, keep: 0.5 });
      for (const parameters of [9 * large, everywhere, 8 * everywhere]) {
        const { gamma, ranks } = chosen({ scope, keep: 0.5, parameters });
        expect(gamma).toEqual(plain.gamma);
        expect(Math.max(...ranks) - Math.min(...ranks)).toBeLessThanOrEqual(1);
        expect(Math.max(...ranks)).toBeGreaterThanOrEqual(Math.floor(parameters / (9 * large)));
      }
    }
  });

  it('count the biases that are trained with the modules', () => {
    const plain = chosen({ scope: 'global', keep: 1, parameters: 400 });
    const { size, kept } = chosen({ scope: 'global', keep: 1, parameters: 400, bias: 'lora_only' });
    expect(size).toBeLessThanOrEqual(400);
    expect(kept.length).toBeLessThan(plain.kept.length);
  });
});

describe('what is told before anything is trained', () => {
  const dam = (kept: number): Dam => ({
    ...{ format: 'diffora-dam/2', select: 'list', layers: model.layers, modules: [...model.modules], values },
    ...{ keep: 1, scope: 'row', share: 'none', seed: 1, model: 'x', task: 'x' },
    gamma: values.map((row, layer) => row.map((_, column) => (6 * layer + column < kept ? 1 : 0))),
  });
  const targets = ['query', 'value'];
  it.each<[string, Partial<TrainConfigInput>, number | undefined, string]>([
    ['LoRA on all modules', { parameters: 1343 }, undefined, 'the 1344 trainable numbers of rank 1 on 18 modules'],
    ['LoRA on targets', { targets, parameters: 383 }, undefined, 'the 384 trainable numbers of rank 1 on 6 modules'],
    ['a list', { select: 'list', targets, parameters: 383 }, undefined, 'the 384 trainable numbers of rank 1'],
    ['AdaLoRA', { method: 'adalora', parameters: 600 }, undefined, 'the 1362 trainable numbers of rank 1'],
    ['a bottleneck', { method: 'pfeiffer', parameters: 10 }, undefined, 'trainable numbers of a width of 1'],
    ['a selection', { select: 'random', parameters: 63 }, undefined, 'smallest module takes 64 trainable numbers'],
    ['DiffoRA', { method: 'diffora', parameters: 63 }, undefined, 'Give 64 or more.'],
    [
      'columns',
      { select: 'gram', scope: 'column', parameters: 191 },
      undefined,
      'smallest column of modules takes 192',
    ],
    ['a matrix', { parameters: 255 }, 4, 'the 256 trainable numbers of rank 1 on 4 modules'],
  ])('%s', (_, change, kept, message) => {
    const { parameters = 0 } = change;
    const refuse = (numbers: number) =>
      refuseTooFew(model, configOf({ ...change, parameters: numbers }), kept === undefined ? undefined : dam(kept));
    expect(() => refuse(parameters)).toThrow(TooSmallError);
    expect(() => refuse(parameters)).toThrow(message);
    const least = Number(/Give (\d+) or more/.exec(messageOf(() => refuse(parameters)))![1]);
    expect(() => refuse(least)).not.toThrow();
  });

  const messageOf = (refused: () => void) => {
    try {
      refused();
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  it('names the cure for LoRA on all modules, in a dry run too', async () => {
    const config = quickConfig(task, { method: 'lora', parameters: 700 });
    await expect(estimateRun(config, silent)).rejects.toThrow(
      '--parameters 700 is less than the 1344 trainable numbers of rank 1 on 18 modules. Give 1344 or more, adapt fewer modules (--targets), or choose as many as fit (--select).',
    );
  });
});

describe('a run below rank 1 on all modules', () => {
  it.each<[string, Partial<TrainConfigInput>]>([
    ['diffora', { method: 'diffora', searchSteps: 2 }],
    ['diffora, global', { method: 'diffora', searchSteps: 2, scope: 'global', relax: 'budget' }],
    ['random', { method: 'lora', select: 'random' }],
    ['gradient norm', { method: 'lora', select: 'gradient-norm', keep: 0.33 }],
    ['gram', { method: 'lora', select: 'gram' }],
    ['LoRA-drop, whose rest shares pairs', { method: 'lora', select: 'output-norm', searchSteps: 2 }],
    ['random among targets', { method: 'lora', select: 'random', targets: ['query', 'value'] }],
  ])('trains what fits: %s', async (_, change) => {
    for (const parameters of [everywhere / 2, everywhere / 2 - 100]) {
      const config = quickConfig(task, { ...change, parameters, maxSteps: 1 });
      const workspace = await openWorkspace(config, silent);
      const { plan, dam } = await trainIn(workspace, config, { reporter: silent });
      expect(dam!.parameters).toBe(parameters);
      const size = trainedSize(plan, workspace.opened.model);
      expect(size).toBeLessThanOrEqual(parameters);
      // The best modules that fit, and then ranks: what is left is less than the largest module takes for one more.
      expect(parameters - size).toBeLessThan(large);
    }
  });
});
