import { describe, expect, it } from 'vitest';
import { parseCompareConfig } from '../../../src/jobs/compare/config.js';
import { Grid } from '../../../src/jobs/compare/grid.js';
import { type ComparedData, cellsOf, type Job, plannedTrials } from '../../../src/jobs/compare/jobs.js';
import { RecordStore } from '../../../src/jobs/compare/recordStore.js';
import type { CompareRecord } from '../../../src/jobs/compare/records.js';
import { drawn, roundsOf, tuneSchema } from '../../../src/jobs/compare/tune.js';
import { classification } from '../../../src/tasks/kinds/classification.js';

const ranges = {
  lr: { min: 1e-4, max: 1e-2, scale: 'log' },
  rank: { min: 1, max: 9, scale: 'log' },
  dropout: { min: 0, max: 0.5 },
  schedule: ['linear', 'cosine'],
};
const small = { tasks: ['cola'], methods: ['head', 'bitfit', 'full'], budget: 1000, seeds: [1, 2] };
const parse = (tune: object, change: object = {}) =>
  parseCompareConfig({ ...small, tune: { trials: 9, ranges: { lr: ranges.lr }, ...tune }, ...change }, 'c.yaml');
const split = { name: 'train', examples: [], source: 'x', hash: 'hash', labelCounts: {} } as const;
const learned = { kind: classification, labels: ['no', 'yes'], metrics: ['accuracy'], splits: [] } as const;
const data: ComparedData = {
  task: { ...learned, name: 'x', columns: { text: 'text', label: 'label' }, load: () => Promise.reject(new Error()) },
  train: split,
  dev: split,
};

describe('what is drawn', () => {
  const config = tuneSchema.parse({ trials: 18, ranges });
  const draws = drawn(config, 1);

  it('is the same for a seed, and another for another', () => {
    expect(drawn(config, 1)).toEqual(draws);
    expect(drawn(config, 2)).not.toEqual(draws);
  });

  it('does not change with what else is drawn', () => {
    const alone = drawn(tuneSchema.parse({ trials: 18, ranges: { lr: ranges.lr } }), 1);
    expect(alone.map(({ lr }) => lr)).toEqual(draws.map(({ lr }) => lr));
  });

  it('is spread evenly over each range, on its scale', () => {
    /** One in each of 18 stretches; rates are given to three digits, which may put one beyond the edge of its own. */
    const expectEven = (key: string, part: (value: number) => number) => {
      const parts = draws.map((one) => 18 * part(one[key] as number)).sort((x, y) => x - y);
      for (const [i, at] of parts.entries()) expect(Math.abs(at - i - 0.5)).toBeLessThan(0.52);
    };
    expectEven('lr', (lr) => Math.log10(lr / 1e-4) / 2);
    expectEven('dropout', (rate) => 2 * rate);
    expect(draws.filter(({ schedule }) => schedule === 'cosine')).toHaveLength(9);
    const ranks = draws.map(({ rank }) => rank as number).sort((a, b) => a - b);
    expect(ranks.every(Number.isInteger)).toBe(true);
    expect([ranks[0], ranks.at(-1)]).toEqual([1, 9]);
    // log 10 / 1 in 18 parts: log 2 of them are ones.
    expect(ranks.filter((rank) => rank === 1)).toHaveLength(Math.round(18 * Math.log10(2)));
  });
});

describe('the rounds of trials', () => {
  it.each<[number, number, [number, number][]]>([
    [1, 3, []],
    [5, 1, [[5, 1]]],
    [
      9,
      3,
      [
        [9, 1 / 9],
        [3, 1 / 3],
      ],
    ],
    [
      18,
      3,
      [
        [18, 1 / 9],
        [6, 1 / 3],
        [2, 1],
      ],
    ],
    [2, 3, [[2, 1]]],
    [
      4,
      2,
      [
        [4, 1 / 4],
        [2, 1 / 2],
      ],
    ],
  ])('of %d candidates by %d', (candidates, factor, expected) => {
    expect(roundsOf(candidates, factor).map(({ count, share }) => [count, share])).toEqual(expected);
  });
});

describe('a comparison that draws settings', () => {
  it('weeds candidates out round by round, and runs the best whole', () => {
    const config = parse({ trials: 9, factor: 3 }, { methods: ['head'] });
    const grid = new Grid(config, () => data, 'code', new RecordStore([], false, undefined));
    expect(grid.size).toBe(9 + 3 + 2);
    const candidates = drawn(config.tune!, 1) as { lr: number }[];
    const done: Job[] = [];
    // The nearer to a rate, the better.
    const best = candidates[4]!.lr;
    for (let job = grid.next(); job !== undefined; job = grid.next()) {
      done.push(job);
      grid.finish(job, recordOf(job, 1 - Math.abs(Math.log(job.lr / best)) / 10));
    }
    expect(done.map(({ kind, share }) => [kind, share])).toEqual([
      ...Array.from({ length: 9 }, () => ['trial', 1 / 9]),
      ...Array.from({ length: 3 }, () => ['trial', 1 / 3]),
      ['run', undefined],
      ['run', undefined],
    ]);
    expect(done.slice(0, 9).map(({ lr }) => lr)).toEqual(candidates.map(({ lr }) => lr));
    expect(done.slice(9).filter(({ lr }) => lr === best)).toHaveLength(3);
    expect(done[0]!.config.optimisation.epochs).toBeCloseTo(3 / 9);
    expect(done.at(-1)!.config.optimisation.epochs).toBe(3);
    expect(grid.collect()).toMatchObject({ missing: 0 });
    expect(grid.collect().trials).toHaveLength(12);
  });

  it('goes on where its records end', () => {
    const config = parse({ trials: 4, factor: 2 }, { methods: ['head'] });
    const records: CompareRecord[] = [];
    const start = () => new Grid(config, () => data, 'code', new RecordStore([...records], false, undefined));
    const keys = new Set<string>();
    for (let grid = start(), job = grid.next(); job !== undefined; grid = start(), job = grid.next()) {
      expect(keys.has(job.key)).toBe(false);
      keys.add(job.key);
      records.push(recordOf(job, job.lr));
    }
    expect(keys.size).toBe(4 + 2 + 2);
    expect(start().countDone()).toBe(8);
  });

  it('tries what comes to the same once', () => {
    const config = parse(
      { ranges: { lr: [1e-3, 3e-3], weightDecay: [0, 0.1] } },
      { methods: [{ method: 'head', weightDecay: 0 }, 'full'] },
    );
    const [head, full] = cellsOf(config).map((cell) => plannedTrials(config, cell, data).candidates);
    expect(head!.map(({ drawn: of }) => of)).toEqual([{}, {}]);
    expect(new Set(head!.map(({ lr }) => lr))).toEqual(new Set([1e-3, 3e-3]));
    expect(full!).toHaveLength(new Set(full!.map((one) => JSON.stringify(one))).size);
    for (const { drawn: of } of full!) expect(Object.keys(of)).toEqual(['weightDecay']);
  });

  it('tries of a method what its runs read', () => {
    const methods = ['head', 'lora', { method: 'lora', name: 'own', alpha: 4 }];
    const config = parse({ ranges: { lr: ranges.lr, dropout: ranges.dropout, alpha: [8, 16] } }, { methods });
    const keys = cellsOf(config).map((cell) => Object.keys(plannedTrials(config, cell, data).candidates[0]!.drawn));
    expect(keys).toEqual([['dropout'], ['dropout', 'alpha'], ['dropout']]);
  });

  it.each<[string, object, object, string]>([
    ['no range', { ranges: {} }, {}, 'tune.ranges: ranges is empty'],
    ['a wrong name', { ranges: { rang: [1, 2] } }, {}, 'tune.ranges: "rang" is not a setting; nearest: rank'],
    ['a method', { ranges: { method: ['lora', 'ia3'] } }, {}, '"method" is laid down by the comparison'],
    ['a seed', { ranges: { seed: [1, 2] } }, {}, '"seed" is laid down by the comparison'],
    ['rates beside a range of them', {}, { learningRates: [1e-3] }, 'learningRates are tried one by one'],
    [
      'rates of a method',
      {},
      { methods: [{ method: 'head', learningRates: [1e-3] }] },
      'methods[0]: learningRates: the rate is drawn',
    ],
    ['no rate at all', { ranges: { weightDecay: [0, 0.1] } }, {}, 'tune draws no lr: give one rate'],
    ['an empty interval', { ranges: { lr: { min: 1, max: 1 } } }, {}, 'tune.ranges.lr: min 1 is not below max 1'],
    ['a log scale from 0', { ranges: { lr: { min: 0, max: 1, scale: 'log' } } }, {}, 'a log scale has no min 0'],
    [
      'parts of whole numbers',
      { ranges: { lr: ranges.lr, batchSize: { min: 1.5, max: 4 } } },
      {},
      'tune.ranges.batchSize: 1.5 to 4: the setting takes whole numbers',
    ],
    ['a value that is none', { ranges: { lr: ranges.lr, weightDecay: [-3, -2] } }, {}, 'tune, trial 1'],
    ['one value', { ranges: { lr: [1e-3] } }, {}, 'tune.ranges.lr'],
    ['what no run reads', { ranges: { lr: ranges.lr, rank: [1, 2] } }, {}, 'tune.ranges: '],
    ['scores on what they were chosen by', {}, { scoreOn: 'validation' }, 'and tune nothing'],
  ])('refuses %s', (_, tune, change, message) => {
    expect(() => parse(tune, change)).toThrow(message);
  });
});

function recordOf({ kind, cell, seed, lr, drawn: settings, share, key }: Job, score: number): CompareRecord {
  const { model, task, method } = cell;
  return {
    format: 'diffora-compare/1',
    kind,
    key,
    model,
    task: task.name,
    method: method.name,
    seed,
    lr,
    settings,
    ...(share === undefined ? {} : { share }),
    status: 'done',
    scores: { accuracy: score },
    code: 'code',
    data: { train: 'hash', dev: 'hash' },
  };
}
