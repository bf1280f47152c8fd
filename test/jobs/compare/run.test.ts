import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdOut } from '../../../src/data/stratify.js';
import { parseCompareConfig } from '../../../src/jobs/compare/config.js';
import { ranked } from '../../../src/jobs/compare/rates.js';
import { compare } from '../../../src/jobs/compare/run.js';
import { silent } from '../../../src/reporter.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { resultOf, temporaryFolder, tinyModel, writeReviews } from '../../cli/run.js';
import { startDiffora } from '../../cli/started.js';
import { until } from '../../until.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
  await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison()));
});
afterAll(() => folder.remove());

const comparison = (change: object = {}) => ({
  models: [tinyModel],
  tasks: [{ task: folder.path('reviews.csv'), textColumn: 'review', labelColumn: 'stars' }],
  budget: 1400,
  seeds: [1, 2],
  learningRates: [1e-3, 1e-2],
  trialSeeds: [1, 2],
  methods: [{ name: 'head only', method: 'head' }, { name: 'AdaLoRA', method: 'adalora' }, { method: 'diffora' }],
  settings: { epochs: 2, batchSize: 8, maxLength: 16, searchSteps: 3 },
  ...change,
});
/** Starts it as a process of its own, whose runs have then the compiled code too. */
const start = (output: string, ...flags: string[]) =>
  startDiffora('compare', folder.path('compare.yaml'), '--output', folder.path(output), '--threads', '1', ...flags);
const run = (output: string, ...flags: string[]) => start(output, ...flags).ended;
/** Records of whole lines: the last may be one that is being written, or was when its process was killed. */
const records = async (output: string, file = 'records.jsonl') =>
  (await readFile(folder.path(output, file), 'utf8'))
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
/** What does not depend on the clock. */
const settled = (table: string) => table.replace(/ \| [^|]* \| [^|]* \|$/gm, ' |');

describe('compare', () => {
  it('writes its report as it fills, and says in it what is missing', async () => {
    const one = comparison({ methods: [{ method: 'diffora' }], learningRates: [1e-3], trialSeeds: undefined });
    const config = parseCompareConfig(JSON.parse(JSON.stringify(one)), 'filling.yaml');
    const missing: number[] = [];
    const filled = async (so: { readonly missing: number; readonly runs: readonly unknown[] }) => {
      missing.push(so.missing);
      expect(so.runs).toHaveLength(2 - so.missing);
    };
    await compare({ config, output: folder.path('filling'), jobs: 1, threads: 1, filled, reporter: silent });
    expect(missing).toEqual([1, 0]);
  });

  it('trains trials and runs, at one budget, the best rate on held-out training examples', async () => {
    const { code, stdout, stderr } = await run('whole', '--jobs', '2');
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('6 done, 0 failed, 0 missing');
    const all = await records('whole');
    expect(all.filter(({ kind }) => kind === 'trial')).toHaveLength(12);
    // Both classes are as many: one answer for all is right half the time.
    for (const { kind, constant } of all) expect(constant).toBe(kind === 'trial' ? 0.5 : undefined);
    const runs = await records('whole', 'results.jsonl');
    expect(runs.map(({ method, seed }) => [method, seed])).toEqual([
      ['head only', 1],
      ['head only', 2],
      ['AdaLoRA', 1],
      ['AdaLoRA', 2],
      ['DiffoRA', 1],
      ['DiffoRA', 2],
    ]);
    for (const { method, lr, parameters, predicted, ...rest } of runs) {
      const trials = all.filter((one) => one.kind === 'trial' && one.method === method);
      const rates = [1e-3, 1e-2].map((rate) => ({ lr: rate, trials: trials.filter((one) => one.lr === rate) }));
      expect(rates.map(({ trials: { length } }) => length)).toEqual([2, 2]);
      expect(lr).toBe(ranked(rates)[0]!.lr);
      // The smallest step is a rank of the smallest module: 32 + 32 numbers; AdaLoRA's is a rank of all modules.
      if (method === 'DiffoRA') expect(Math.abs(parameters.kept - 1400)).toBeLessThan(64);
      expect(predicted).toHaveLength(4);
      expect(rest).toMatchObject({ status: 'done', peakMemoryBytes: expect.any(Number), versions: expect.any(Object) });
    }
    expect(await readdir(folder.path('whole', 'runs'))).toHaveLength(6);
  });

  it('searches for settings, says what it chose, and repeats nothing', async () => {
    const tune = { trials: 3, ranges: { lr: { min: 1e-3, max: 1e-2, scale: 'log' }, weightDecay: [0, 0.1] } };
    const settings = { epochs: 2, batchSize: 8, maxLength: 16 };
    const changed = { learningRates: undefined, trialSeeds: undefined, tune, methods: ['head'], seeds: [1], settings };
    await writeFile(folder.path('tune.yaml'), JSON.stringify(comparison(changed)));
    const flags = ['--output', folder.path('tuned'), '--threads', '1', '--jobs', '2'];
    const first = await startDiffora('compare', folder.path('tune.yaml'), ...flags).ended;
    expect(first.code, first.stderr).toBe(0);
    const all = await records('tuned');
    // One in three is one: after a round of short trials there is nothing left to choose.
    expect(all.map(({ kind, share }) => [kind, share])).toEqual([
      ...Array.from({ length: 3 }, () => ['trial', 1 / 3]),
      ['run', undefined],
    ]);
    const { lr, settings: chosen } = all[3];
    const tried = all.slice(0, 3).map((trial) => ({ trial, trials: [trial] }));
    expect(ranked(tried)[0]!.trial).toMatchObject({ lr, settings: chosen });
    const report = await readFile(folder.path('tuned', 'results.md'), 'utf8');
    expect(report).toContain('For each method lr, weightDecay are the best of 3 draws, by successive halving');
    expect(report).toContain(`- head only: drawn and chosen were weightDecay ${chosen.weightDecay}.`);
    const again = await startDiffora('compare', folder.path('tune.yaml'), ...flags).ended;
    expect(again.stdout).toContain('0 runs and trials trained, 4 found done');
  });

  it('refuses what no task reads, and leaves out what one of them does not', async () => {
    const [reviews] = comparison().tasks;
    const span = '{"question":"who","context":"the cat","answers":{"text":["cat"],"answer_start":[4]}}';
    await writeFile(folder.path('spans.jsonl'), `${span}\n${span}\n`);
    await writeFile(folder.path('spans.yaml'), 'kind: span\ntrain: spans.jsonl\ndev: spans.jsonl\n');
    const outcomeOf = (change: object) => {
      const config = parseCompareConfig(comparison(change), folder.path('compare.yaml'));
      const output = folder.path('idle');
      return compare({ config, output, jobs: 1, threads: 1, reportOnly: true, reporter: silent });
    };
    const settings = { ...comparison().settings, stride: 8 };
    await expect(outcomeOf({ settings })).rejects.toThrow(
      'settings: stride is read by tasks of the kind span; reviews is of the kind classification. Leave it out.',
    );
    await expect(outcomeOf({ tasks: [{ ...reviews, stride: 8 }] })).rejects.toThrow('reviews.csv": stride is read by');
    const mixed = await outcomeOf({ settings, tasks: [reviews, folder.path('spans.yaml')] });
    expect(mixed.missing).toBe(12);
  });

  it('does not repeat what is done', async () => {
    const before = await readFile(folder.path('whole', 'results.md'), 'utf8');
    const { stdout, stderr } = await run('whole');
    expect(stderr).toContain('18 of 18 runs and trials are done already');
    expect(stdout).toContain('0 runs and trials trained, 18 found done');
    expect(await readFile(folder.path('whole', 'results.md'), 'utf8')).toBe(before);
  });

  it('killed in the middle and started again gives the same table without repeating what was done', async () => {
    const { child, ended } = start('killed');
    await until(
      async () => existsSync(folder.path('killed', 'records.jsonl')) && (await records('killed')).length >= 4,
      ended,
    );
    child.kill('SIGKILL');
    await ended;
    const done = (await records('killed')).length;
    await appendFile(folder.path('killed', 'records.jsonl'), '{"format": "diffora-comp');
    const { code, stderr, stdout } = await run('killed', '--jobs', '2');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('the last line is cut off and left out');
    expect(stdout).toContain(`${done} found done`);
    const tables = await Promise.all(
      ['whole', 'killed'].map((name) => readFile(folder.path(name, 'results.md'), 'utf8')),
    );
    expect(settled(tables[1]!)).toBe(settled(tables[0]!));
    const keys = (await readFile(folder.path('killed', 'records.jsonl'), 'utf8')).match(/"key":"\w+"/g)!;
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('shows a failed run with its error, goes on with the rest, and tries it again the next time', async () => {
    const methods = [
      { method: 'diffora' },
      // No module of the tiny model has so many ranks.
      { name: 'too large', method: 'lora', targets: ['query'] },
      { name: 'head only', method: 'head' },
    ];
    await writeFile(
      folder.path('compare.yaml'),
      JSON.stringify(comparison({ methods, learningRates: [1e-3], budget: 60_000, seeds: [1] })),
    );
    const { code, stdout, stderr } = await run('failing');
    expect(code).toBe(1);
    expect(stderr).toContain('2 runs failed; the same command tries them again.');
    expect(stdout).toContain('1 done, 2 failed');
    const [failed] = await records('failing', 'results.jsonl');
    expect(failed).toMatchObject({ status: 'failed', error: expect.stringContaining('rank') });
    const markdown = await readFile(folder.path('failing', 'results.md'), 'utf8');
    expect(markdown).toContain('failed:');
    const again = await run('failing', '--json');
    // With --json that is a result too, and the failure all that stderr has.
    expect(again).toMatchObject({ code: 1, stderr: '2 runs failed; the same command tries them again.\n' });
    expect(resultOf(again.stdout)).toMatchObject({ trained: 2, failed: 2, output: folder.path('failing') });
    const events = again.stdout.split('\n').slice(0, -2);
    const progress = events.map((line) => JSON.parse(line)).filter(({ event }) => event === 'progress');
    expect(progress.at(-1)).toMatchObject({ phase: 'compare', done: 2, total: 2 });
  });

  it('has tables for each budget, and leaves out by name what cannot be so small', async () => {
    // Rank 1 on all modules of the tiny model has 1,344 numbers: 3 layers of 4 · (32 + 32) and 2 · (32 + 64).
    const methods = [
      { name: 'head only', method: 'head' },
      'lora',
      { name: 'random', method: 'lora', select: 'random' },
    ];
    const settings = { epochs: 2, batchSize: 8, maxLength: 16 };
    const rates = { learningRates: [1e-2], seeds: [1] };
    const change = { methods, settings, ...rates, budget: undefined, budgets: [1344, 672] };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison(change)));
    const { code, stdout, stderr } = await run('budgets');
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('4 done, 0 failed, 0 missing');
    const runs = await records('budgets', 'results.jsonl');
    expect(runs.map(({ method, budget, parameters }) => [method, budget, parameters.kept])).toEqual([
      ['head only', undefined, 0],
      ['LoRA', 1344, 1344],
      ['random', 1344, expect.any(Number)],
      ['random', 672, expect.any(Number)],
    ]);
    for (const { method, budget, parameters } of runs) {
      if (method === 'random') expect(budget - parameters.kept).toBeGreaterThanOrEqual(0);
      if (method === 'random') expect(budget - parameters.kept).toBeLessThan(96);
    }
    expect(await readdir(folder.path('budgets', 'runs'))).toHaveLength(4);
    const [, large, small] = (await readFile(folder.path('budgets', 'results.md'), 'utf8')).split('## ');
    expect(large).toMatch(/, 1,344 numbers \(4 examples scored\)/);
    expect(large).toContain('| LoRA |');
    expect(small).not.toContain('| LoRA |');
    expect(small).toContain('| head only |');
    expect(small).toContain('- LoRA is left out: --parameters 672 is less than the 1344 trainable numbers of rank 1');
    // What has the size that it has is trained once for all budgets, and nothing is repeated.
    expect((await run('budgets')).stdout).toContain('0 runs and trials trained, 4 found done');
    // One budget of them alone finds the same runs.
    const single = { ...change, budget: 672, budgets: undefined };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison(single)));
    expect((await run('budgets')).stdout).toContain('0 runs and trials trained, 2 found done');
  });

  it('scores held-out training examples, the same for every seed, where dev is to be left alone', async () => {
    const methods = [{ name: 'head only', method: 'head' }, { method: 'diffora' }];
    const change = { methods, learningRates: [1e-2], scoreOn: 'validation', validationShare: 0.25 };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison(change)));
    const { code, stderr } = await run('validation');
    expect(code, stderr).toBe(0);
    const markdown = await readFile(folder.path('validation', 'results.md'), 'utf8');
    // 36 rows are left of 40 when a tenth is the dev split; a quarter of each class of 18 is held out.
    expect(markdown).toContain('(10 examples scored)');
    expect(markdown).toContain('on 25 % of the training examples, held out (dev was not read)');
    const task = await openTask(folder.path('reviews.csv'), {
      textColumn: 'review',
      labelColumn: 'stars',
      warn: expect.fail,
    });
    const { heldOut } = holdOut((await task.load('train')).examples, 0.25, 1);
    for (const { predicted, scores } of await records('validation', 'results.jsonl')) {
      const right = heldOut.filter(({ label }, i) => label === predicted[i]);
      expect(scores.accuracy).toBe(right.length / heldOut.length);
    }
  });

  it('reports the loss of held-out training examples beside the scores of dev', async () => {
    const methods = ['head', 'lora'];
    const settings = { epochs: 2, batchSize: 8, maxLength: 16 };
    const change = { methods, settings, learningRates: [1e-2], validationLoss: true, validationShare: 0.25 };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison(change)));
    const { code, stdout, stderr } = await run('losses');
    expect(code, stderr).toBe(0);
    for (const { validation, predicted } of await records('losses', 'results.jsonl')) {
      // A quarter of each class of 18; a tenth of 40 rows is the dev split.
      expect(validation.examples).toHaveLength(10);
      expect(predicted).toHaveLength(4);
      const sum = validation.examples.reduce((total: number, [value]: [number]) => total + value, 0);
      expect(sum / 10).toBeCloseTo(validation.loss, 5);
    }
    expect(stdout).toContain('validation loss');
    const markdown = await readFile(folder.path('losses', 'results.md'), 'utf8');
    expect(markdown).toMatch(/validation loss [+−]0\.\d{4} \([+−]/);
    expect(await readFile(folder.path('losses', 'results.csv'), 'utf8')).toContain(',validation_loss,');
  });

  it('compares answers in passages by what each adds to the metric', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => {
      const good = ['man', 'film', 'book'][i % 3]!;
      const context = `the ${good} is good and the dog is bad`;
      return { question: 'what is good', context, answers: { text: [good], answer_start: [4] } };
    });
    await writeFile(folder.path('asked.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await writeFile(folder.path('asked.yaml'), 'kind: span\ntrain: asked.jsonl\ndev: asked.jsonl\n');
    const change = {
      tasks: [folder.path('asked.yaml')],
      methods: ['head', 'lora'],
      learningRates: [2e-2],
      settings: { epochs: 20, batchSize: 6, maxLength: 24, maxEvalSamples: 9 },
    };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison(change)));
    const { code, stderr } = await run('spans');
    expect(code, stderr).toBe(0);
    for (const { statistics, scores, predicted } of await records('spans', 'results.jsonl')) {
      expect(predicted).toBeUndefined();
      expect(statistics).toHaveLength(9);
      const sum = statistics.reduce((total: number, [value]: [number]) => total + value, 0);
      expect(sum / 9).toBeCloseTo(scores.f1, 5);
    }
    expect(await readFile(folder.path('spans', 'results.md'), 'utf8')).toMatch(
      /\| head only \| \S+ ± \S+ .*\(.* to .*\)/,
    );
  });

  it('names the line of records that are not its own', async () => {
    await appendFile(folder.path('failing', 'records.jsonl'), '{"format":"other"}\n');
    const { code, stderr } = await run('failing');
    expect(code).toBe(1);
    expect(stderr).toMatch(/records\.jsonl, line \d+: format is "other"; it takes diffora-compare\/1\./);
  });
});
