import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectionMethods, selectionNames } from '../../src/selection/registry.js';
import { methods } from '../../src/settings/config.js';
import { diffora, quickRun, resultOf, reviewsFolder, taskFileOf, type temporaryFolder } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
});
afterAll(() => folder.remove());

const jsonOf = async (...parts: string[]) => JSON.parse(await readFile(folder.path(...parts), 'utf8'));
/** Flags over those of a quick run win: the later of two is taken. */
const train = (output: string, ...flags: string[]) =>
  diffora('train', ...quickRun(task, ...flags), '--output', folder.path(output));

describe.each(methods)('train --method %s', (method) => {
  const flags = { vera: ['--rank', '8'], diffora: ['--search-steps', '3'] }[method as string] ?? [];

  it('ends with a score, parameters, time and memory; eval repeats the score; inspect names the method', async () => {
    const run = folder.path(`run-${method}`);
    const trained = await train(`run-${method}`, '--method', method, ...flags);
    expect(trained.code, trained.stderr).toBe(0);
    for (const fact of ['trained', 'dev', 'time', 'peak memory']) expect(trained.stdout).toContain(fact);
    const record = await jsonOf(`run-${method}`, 'run.json');
    expect(record.parameters.trainable).toBe(
      record.parameters.adapter + record.parameters.replaced + record.parameters.head,
    );
    const evaluated = await diffora('eval', '--adapter', run, '--task', await taskFileOf(task), '--json');
    expect(resultOf(evaluated.stdout).scores, evaluated.stderr).toEqual(record.scores.dev);
    const inspected = await diffora('inspect', run);
    expect(inspected.code, inspected.stderr).toBe(0);
    expect(inspected.stdout).toContain(`method ${method}`);
  });

  it('merges into a plain checkpoint with the same predictions, or says why not', async () => {
    const run = folder.path(`run-${method}`);
    const output = folder.path(`merged-${method}`);
    const merged = await diffora('merge', '--adapter', run, '--output', output);
    if (method === 'houlsby' || method === 'pfeiffer') {
      expect(merged).toMatchObject({ code: 1, stderr: expect.stringContaining('layers of their own') });
      return;
    }
    expect(merged.code, merged.stderr).toBe(0);
    const logits = async (...of: string[]) => {
      const { stdout, stderr } = await diffora('predict', ...of, '--text', 'the cat sat', '--json');
      expect(stdout, stderr).not.toBe('');
      return resultOf(stdout).logits as number[];
    };
    const [adapted, plain] = [await logits('--adapter', run), await logits('--model', output)];
    for (const [i, value] of adapted.entries()) expect(Math.abs(value - plain[i]!)).toBeLessThan(1e-4);
  });
});

describe.each(selectionNames)('train --select %s', (select) => {
  it.each(['lora', 'dora', 'rslora', 'pissa'])('works with --method %s', async (method) => {
    const output = `${select}-${method}`;
    const flags = select === 'list' ? ['--targets', 'query,layer.0.output.dense'] : ['--keep', '0.34'];
    const steps = Object.hasOwn(selectionMethods[select].settings, 'searchSteps') ? ['--search-steps', '3'] : [];
    const run = await train(output, '--method', method, '--select', select, ...steps, '--rank', '6', ...flags);
    expect(run.code, run.stderr).toBe(0);
    const dam = await jsonOf(output, 'dam.json');
    expect(dam.select).toBe(select);
    const kept = dam.gamma.map((row: number[]) => row.reduce((sum, mark) => sum + mark, 0));
    const whole = selectionMethods[select].scope === 'layer';
    // A layer of three, or two modules of six.
    if (whole) expect(kept.toSorted()).toEqual([0, 0, 6]);
    else expect(kept).toEqual({ uniform: [6, 6, 6], list: [2, 1, 1] }[select as string] ?? [2, 2, 2]);
    expect(dam.scope).toBe(whole ? 'layer' : 'row');
    const { parameters } = await jsonOf(output, 'run.json');
    // LoRA-drop's other modules share.
    expect(parameters.adaptedModules).toBe(
      select === 'output-norm' ? 18 : kept.reduce((a: number, b: number) => a + b),
    );
  });
});

describe('a selection', () => {
  it('keeps to a budget of parameters', async () => {
    for (const select of ['random', 'gradient-norm', 'uniform']) {
      const run = await train(
        `budget-${select}`,
        '--method',
        'lora',
        '--select',
        select,
        '--budget',
        '2000',
        '--rank',
        '4',
      );
      expect(run.code, run.stderr).toBe(0);
      const { parameters } = await jsonOf(`budget-${select}`, 'run.json');
      expect(parameters.adapter).toBeLessThanOrEqual(2000);
      expect(parameters.adapter).toBeGreaterThan(400);
    }
  });

  it('keeps exactly one module of the whole matrix, as DomLoRA does, with a small share of it', async () => {
    for (const select of ['page', 'gradient-norm']) {
      const output = `one-${select}`;
      const flags = ['--method', 'lora', '--select', select, '--scope', 'global', '--keep', '0.01', '--rank', '4'];
      const run = await train(output, ...flags);
      expect(run.code, run.stderr).toBe(0);
      const { gamma, values } = await jsonOf(output, 'dam.json');
      const largest = Math.max(...values.flat());
      expect(gamma).toEqual(values.map((row: number[]) => row.map((value) => (value === largest ? 1 : 0))));
      const { parameters } = await jsonOf(output, 'run.json');
      expect(parameters.adaptedModules).toBe(1);
    }
  });

  it('by several seeds says how far they agree', async () => {
    const run = await train('seeds', '--search-seeds', '2', '--search-steps', '3');
    expect(run.stdout, run.stderr).toMatch(/agreement\s+[01]\.\d\d \(Jaccard\)/);
    const { search } = await jsonOf('seeds', 'dam.json');
    expect(search.seeds.map(({ seed }: { seed: number }) => seed)).toEqual([1, 2]);
  });

  it('is weighed by its Gram matrix', async () => {
    await train('weighed', '--method', 'lora', '--select', 'gram');
    const plain = await diffora('inspect', folder.path('weighed'), '--gram');
    expect(plain.stdout, plain.stderr).toContain('chosen');
    const { stdout } = await diffora('inspect', folder.path('weighed'), '--gram', '--json');
    const { gram } = resultOf(stdout);
    // All modules' matrix is the chosen ones' plus a positive semi-definite one.
    expect(gram.all.smallestEigenvalue).toBeGreaterThanOrEqual(gram.chosen.smallestEigenvalue);
    // JSON has no infinity, which examples that are alike make of it.
    expect(gram.all.complexity ?? Number.POSITIVE_INFINITY).toBeLessThanOrEqual(
      gram.chosen.complexity ?? Number.POSITIVE_INFINITY,
    );
    const other = await diffora('inspect', folder.path('run-lora'), '--gram');
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('no dam.json') });
  });
});

describe('classes', () => {
  it('can be weighted, by name or balanced, and their targets smoothed', async () => {
    const lossOf = async (output: string, ...flags: string[]) => {
      const run = await train(output, '--method', 'lora', ...flags);
      expect(run.code, run.stderr).toBe(0);
      const lines = (await readFile(folder.path(output, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line).loss as number);
    };
    const plain = await lossOf('plain');
    expect(await lossOf('smooth', '--label-smoothing', '0.2')).not.toEqual(plain);
    expect(await lossOf('weighted', '--class-weights', 'good=3')).not.toEqual(plain);
    // As many of either class: balanced weights are 1.
    for (const [i, loss] of (await lossOf('balanced', '--class-weights', 'balanced')).entries()) {
      expect(loss).toBeCloseTo(plain[i]!, 3);
    }
  });
});

describe('an adapter that is trained on', () => {
  it.each(['lora', 'dora', 'adalora', 'vera', 'ia3', 'bitfit', 'houlsby'])('keeps the form of %s', async (method) => {
    const output = `on-${method}`;
    const on = await train(output, '--adapter', folder.path(`run-${method}`), '--model', quickRun(task)[1]!);
    expect(on.code, on.stderr).toBe(0);
    const [before, after] = await Promise.all(
      [`run-${method}`, output].map(
        async (name) => (await diffora('inspect', folder.path(name, 'adapter'), '--json')).stdout,
      ),
    );
    expect((await jsonOf(output, 'run.json')).config.method).toBe(method);
    const [a, b] = [resultOf(before!), resultOf(after!)];
    expect([b.method, b.parameters, b.targets]).toEqual([a.method, a.parameters, a.targets]);
  });
});

describe('what does not go together', () => {
  it.each([
    [['--method', 'diffora', '--select', 'random'], 'method diffora selects by itself'],
    [['--method', 'bitfit', '--select', 'random'], 'has no such choice'],
    [['--method', 'adalora', '--dam', 'dam.json'], 'has no such choice'],
    [['--method', 'lora', '--select', 'gram', '--dam', 'dam.json'], 'exclude each other'],
    [['--method', 'lora', '--select', 'gram', '--adapter', 'x'], 'Leave one out'],
    [['--method', 'dora', '--select', 'diffora', '--start', 'search'], 'start search'],
    [['--method', 'lora', '--class-weights', 'goood=2'], 'nearest: good'],
    [['--method', 'lora', '--rank', '0'], 'at least 1'],
    [['--method', 'lora', '--rank', '33'], 'so a rank is 1 to 32'],
    [['--method', 'diffora', '--rank', '33'], 'so a rank is 1 to 32'],
    [['--method', 'lora', '--alpha', 'NaN'], '--alpha NaN'],
    [['--method', 'lora', '--alpha', '-1'], 'above 0'],
    [['--keep', '1.5'], 'of at most 1'],
    [['--method', 'lora', '--ranks', 'qurey=3'], '"qurey" is none of the adapted modules'],
    [['--method', 'lora', '--ranks', 'query'], 'names with numbers'],
    [['--method', 'adalora', '--adalora-init-rank', '1'], 'starts with more ranks'],
    [['--method', 'adalora', '--adalora-tinit', '5', '--adalora-tfinal', '5'], 'leave none to allocate'],
    [['--method', 'houlsby', '--reduction', '100'], 'leaves nothing of the 32 features'],
    [['--method', 'lora', '--select', 'random', '--budget', '3'], 'the smallest module has'],
    [['--method', 'diffora', '--budget', '127'], 'the smallest module has 128 trainable numbers'],
    [['--method', 'diffora', '--budget', '127', '--dry-run'], 'the smallest module has 128 trainable numbers'],
    [['--method', 'diffora', '--scope', 'column', '--budget', '383'], 'the smallest column of modules has 384'],
    [['--method', 'lora', '--select', 'layer-gradient-norm', '--budget', '383'], 'the smallest layer of modules has'],
    [['--method', 'lora', '--select', 'uniform', '--keep', '0.1', '--rank', '2'], 'less than rank 1 on all modules'],
  ])('%j is refused before any training', async (flags, telling) => {
    const { code, stderr, stdout } = await train('refused', ...flags);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(telling);
    expect(stderr).not.toMatch(/^(train|search)/m);
  });

  it('an adapter of another number of classes or another model is refused', async () => {
    const other = await diffora(
      'train',
      '--task',
      task,
      '--text-column',
      'review',
      '--label-column',
      'stars',
      '--adapter',
      folder.path('run-lora'),
      '--output',
      folder.path('refused'),
    );
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('Give --model its model') });
  });

  it('settings that nothing reads are refused', async () => {
    const bitfit = await train('idle', '--method', 'bitfit', '--dam-lr', '1');
    expect(bitfit).toMatchObject({ code: 2, stderr: expect.stringContaining('damLr is read by select diffora') });
    const budget = await train('idle-2', '--method', 'lora', '--select', 'random', '--budget', '2000', '--keep', '0.5');
    expect(budget).toMatchObject({ code: 2, stderr: expect.stringContaining('budget stands in the place of keep') });
  });
});
