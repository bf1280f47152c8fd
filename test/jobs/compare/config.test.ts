import { describe, expect, it } from 'vitest';
import { type CompareConfig, heldOut, parseCompareConfig, runConfig } from '../../../src/jobs/compare/config.js';
import {
  type Cell,
  type ComparedData,
  cellsOf,
  plannedTrials,
  runOf,
  trialsOf,
} from '../../../src/jobs/compare/jobs.js';
import { flatConfig } from '../../../src/settings/config.js';
import { classification } from '../../../src/tasks/kinds/classification.js';

const small = { tasks: ['cola'], methods: ['head', 'lora', 'diffora'], budget: 1000 };
const split = { name: 'train', examples: [], source: 'x', hash: 'hash', labelCounts: {} } as const;
const unread = () => Promise.reject(new Error('keys read no data'));
const columns = { text: 'text', label: 'label' };
const learned = { kind: classification, labels: ['no', 'yes'], metrics: ['accuracy'], splits: [] } as const;
const data: ComparedData = { task: { ...learned, name: 'x', columns, load: unread }, train: split, dev: split };
/** The trials of the first round, which is the only one of a list of rates. */
function firstTrials(config: CompareConfig, cell: Cell) {
  const { candidates, rounds } = plannedTrials(config, cell, data);
  return candidates.flatMap((candidate) => trialsOf(config, cell, candidate, rounds[0]!, data, 'code'));
}
const parse = (change: object) => parseCompareConfig({ ...small, ...change }, 'compare.yaml');

describe('a comparison', () => {
  it('fills in names, seeds and rates', () => {
    const config = parse({});
    expect(config.methods.map(({ name }) => name)).toEqual(['head only', 'LoRA', 'DiffoRA']);
    expect(config.seeds).toEqual([1, 2, 3]);
    expect(config.reference).toBe('DiffoRA');
    expect(config.methods.map(({ learningRates }) => learningRates.length)).toEqual([3, 3, 3]);
  });

  it('gives every method that can follow it the budget', () => {
    const config = parse({});
    const of = (i: number) =>
      runConfig(config, 'model', config.tasks[0]!, config.methods[i]!, { seed: 2, lr: 0.1 }).method.parameters;
    expect([0, 1, 2].map(of)).toEqual([undefined, 1000, 1000]);
  });

  it('has cells for each budget, in the order of the tables, and those of what has the size it has once', () => {
    const config = parse({ budget: undefined, budgets: [1000, 500], tasks: ['cola', 'rte'] });
    const cells = cellsOf(config).map(({ task, method, budget }) => [task.name, method.name, budget]);
    const ofTask = (task: string) => [
      [task, 'head only', undefined],
      [task, 'LoRA', 1000],
      [task, 'DiffoRA', 1000],
      [task, 'LoRA', 500],
      [task, 'DiffoRA', 500],
    ];
    expect(cells).toEqual([...ofTask('cola'), ...ofTask('rte')]);
    const sizes = cellsOf(config).map(
      ({ task, method, budget }) =>
        runConfig(config, 'model', task, method, { seed: 2, lr: 0.1, budget }).method.parameters,
    );
    expect(sizes.slice(0, 5)).toEqual([undefined, 1000, 1000, 500, 500]);
  });

  it('has the same keys at a budget, whether it is one or one of several', () => {
    const keysOf = (change: object) => {
      const config = parse({ ...change, seeds: [1, 2] });
      return cellsOf(config).flatMap((cell) => [
        ...firstTrials(config, cell).map(({ key }) => key),
        ...config.seeds.map((seed) => runOf(config, cell, { seed, lr: 0.1, drawn: {} }, data, 'code').key),
      ]);
    };
    const [one, other] = [keysOf({ budget: 1000 }), keysOf({ budget: 500 })];
    const both = keysOf({ budget: undefined, budgets: [1000, 500] });
    expect(new Set(both).size).toBe(both.length);
    expect(new Set(both)).toEqual(new Set([...one, ...other]));
    expect(one.filter((key) => other.includes(key))).toHaveLength(5);
  });

  it('tries every rate with every trial seed, and keeps the keys of one seed', () => {
    const trialsFor = (change: object) => {
      const config = parse(change);
      return firstTrials(config, cellsOf(config)[1]!);
    };
    const one = trialsFor({});
    expect(trialsFor({ trialSeed: 1 })).toEqual(one);
    const two = trialsFor({ trialSeeds: [1, 5] });
    expect(two.map(({ lr, seed }) => [lr, seed])).toEqual(one.flatMap(({ lr }) => [1, 5].map((seed) => [lr, seed])));
    expect(two.filter(({ seed }) => seed === 1).map(({ key }) => key)).toEqual(one.map(({ key }) => key));
    expect(new Set(two.map(({ key }) => key)).size).toBe(6);
    // The first chooses what is held out of the runs.
    expect(heldOut(parse({ trialSeeds: [3, 1], validationLoss: true })).validationSeed).toBe(3);
  });

  it('lets a task and a method have settings of their own, the method winning', () => {
    const config = parse({
      settings: { epochs: 5, batchSize: 4 },
      tasks: [{ task: 'rte', epochs: 4, keep: 0.3 }],
      methods: [{ method: 'lora', keep: 0.7, select: 'random' }],
    });
    const run = runConfig(config, 'model', config.tasks[0]!, config.methods[0]!, { seed: 2, lr: 0.1 });
    const settings = { task: 'rte', epochs: 4, batchSize: 4, keep: 0.7, select: 'random', seed: 2, lr: 0.1 };
    expect(flatConfig(run)).toMatchObject(settings);
  });

  it.each<[string, object, string]>([
    ['an unknown key', { buget: 3 }, 'a comparison has the unknown key "buget"; nearest: budget'],
    ['a missing budget', { budget: undefined }, 'budget is missing; it takes a whole number above 0.'],
    ['a budget and budgets', { budgets: [1000] }, 'budget is one, and budgets are several. Leave one out.'],
    [
      'a trial seed and trial seeds',
      { trialSeed: 1, trialSeeds: [1, 2] },
      'trialSeed is one, and trialSeeds are several.',
    ],
    ['a trial seed twice', { trialSeeds: [2, 2] }, 'trialSeeds: a seed is named twice.'],
    ['a budget twice', { budget: undefined, budgets: [10, 10] }, 'budgets: a budget is named twice.'],
    ['an unknown setting', { settings: { epoch: 3 } }, 'settings: "epoch" is not a setting; nearest: epochs'],
    ['an unknown method', { methods: ['loar'] }, 'methods[0]: '],
    ['a wrong value', { settings: { epochs: -1 } }, 'epochs is -1; it takes a number above 0.'],
    ['a seed among the settings', { settings: { seed: 3 } }, '"seed" is laid down by the comparison'],
    ['two methods of one name', { methods: ['lora', 'lora'] }, 'the method "LoRA" stands there twice'],
    [
      'a reference that is not there',
      { reference: 'DifoRA' },
      'reference "DifoRA" is no method here; nearest: DiffoRA',
    ],
    [
      'uneven trials',
      { methods: ['lora', { method: 'head', learningRates: [1] }] },
      'every method gets the same number',
    ],
    ['rates chosen by what is scored', { scoreOn: 'validation' }, 'Give each method one learning rate'],
    [
      'what is scored among the settings of a method',
      { methods: [{ method: 'lora', metrics: ['f1'] }] },
      'for all methods',
    ],
    ['a seed twice', { seeds: [1, 1] }, 'a seed is named twice'],
    [
      'conflicts of a method',
      { methods: [{ method: 'head', select: 'random' }] },
      'decides where low-rank adapters go',
    ],
  ])('refuses %s, naming the file', (_, change, message) => {
    expect(() => parse(change)).toThrow(message);
    expect(() => parse(change)).toThrow('compare.yaml');
  });
});
