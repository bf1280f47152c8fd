import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../src/jobs/train.js';
import { silent } from '../../src/reporter.js';
import type { Dam } from '../../src/selection/dam.js';
import { readDam } from '../../src/selection/readDam.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { diffora, temporaryFolder } from '../cli/run.js';
import { bytesOf, quickConfig, trainInParts } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  task = folder.path('reviews.csv');
  const rows = Array.from(
    { length: 48 },
    (_, i) => `the ${i % 2 === 0 ? 'cat' : 'man'} ${i},${i % 2 === 0 ? 'good' : 'bad'}\n`,
  );
  await writeFile(task, `review,stars\n${rows.join('')}`);
});
afterAll(() => folder.remove());

/** A third of eighteen modules in three layers. */
const third: Partial<TrainConfigInput> = { scope: 'global', keep: 1 / 3, relax: 'budget', searchSteps: 30 };

async function run(name: string, change: Partial<TrainConfigInput>): Promise<Dam> {
  await train({ config: quickConfig(task, { ...third, ...change }), output: folder.path(name), reporter: silent });
  return readDam(folder.path(name, 'dam.json'));
}

const keptIn = ({ gamma }: Dam) => gamma.map((row) => row.reduce<number>((sum, one) => sum + one, 0));
const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);

describe('a search whose loss holds the price', () => {
  it('learns to leave low layers alone, the more the higher the weight', async () => {
    const cheap = await run('cheap', { price: 'time', priceWeight: 100 });
    const free = await run('free', { price: 'time', priceWeight: 0 });
    expect(sum(keptIn(cheap))).toBe(sum(keptIn(free)));
    // Six modules fit into the last layer.
    expect(keptIn(cheap)).toEqual([0, 0, 6]);
    expect(cheap.price!.share).toBeLessThan(free.price!.share);
    const lowest = (dam: Dam) => sum(dam.values[0]!);
    expect(lowest(cheap)).toBeLessThan(lowest(free));
  });

  it('without a weight is the search without a price, to the bit', async () => {
    const [free, plain] = [await readDam(folder.path('free', 'dam.json')), await run('plain', {})];
    const { price, ...rest } = free;
    expect(price).toMatchObject({ of: 'time', weight: 0 });
    expect(rest).toEqual(plain);
  });

  it('of memory records what it counted, which inspect tells', async () => {
    const dam = await run('memory', { price: 'memory', priceWeight: 0.5 });
    expect(dam.price).toEqual({ of: 'memory', weight: 0.5, share: expect.any(Number) });
    const { stdout } = await diffora('inspect', folder.path('memory', 'dam.json'));
    expect(stdout).toContain(`memory, weight 0.5; a step takes ${dam.price!.share.toFixed(2)} of LoRA on all modules`);
  });

  it('gives the same bytes where it is left and resumed', async () => {
    const settings = { ...third, price: 'time', priceWeight: 1, saveSteps: 4 } as const;
    await train({ config: quickConfig(task, settings), output: folder.path('whole'), reporter: silent });
    await trainInParts(quickConfig(task, settings), folder.path('parts'), [
      ['search', 14],
      ['train', 2],
    ]);
    expect(await bytesOf(folder.path('parts'))).toEqual(await bytesOf(folder.path('whole')));
  });
});

describe('a run with maxStepTime', () => {
  it.each(['diffora', 'random', 'gradient-norm', 'leave-one-out'] as const)(
    '%s: keeps to it, with as many modules',
    async (select) => {
      const settings = { method: 'lora', select, maxStepTime: 0.8 } as const;
      const dam = await run(`within-${select}`, settings);
      expect(dam.price!.share).toBeLessThanOrEqual(0.8);
      expect(dam.price).toMatchObject({ of: 'time', limit: 0.8 });
      expect(sum(keptIn(dam))).toBe(6);
      const record = JSON.parse(await readFile(folder.path(`within-${select}`, 'run.json'), 'utf8'));
      expect(record.config).toMatchObject({ maxStepTime: 0.8 });
      expect(await run(`again-${select}`, settings)).toEqual(dam);
    },
  );

  it('holds with what fits into parameters below rank 1, too', async () => {
    const dam = await run('few', { method: 'lora', select: 'random', maxStepTime: 0.8, parameters: 200 });
    expect(dam.price!.share).toBeLessThanOrEqual(0.8);
    expect(dam).toMatchObject({ parameters: 200 });
    expect(sum(keptIn(dam))).toBeGreaterThan(0);
    const { parameters } = JSON.parse(await readFile(folder.path('few', 'run.json'), 'utf8'));
    expect(parameters.adapter).toBeLessThanOrEqual(200);
  });

  it('is refused before the search where no choice of so many is as cheap', async () => {
    let searched = false;
    const reporter = {
      ...silent,
      phase: (name: string) => {
        searched ||= name === 'search';
        return { update: () => {}, end: () => {} };
      },
    };
    const config = quickConfig(task, { ...third, maxStepTime: 0.05 });
    await expect(train({ config, output: folder.path('none'), reporter })).rejects.toThrow(
      /--max-step-time 0\.05 is less than 6 modules can be had for: the cheapest so many take 0\.\d+/,
    );
    expect(searched).toBe(false);
  });
});

it.each<[object, string]>([
  [{ price: 'time' }, 'scope row adapts every layer. Take scope global.'],
  [{ maxStepTime: 0.5, scope: 'column' }, 'maxStepTime spares the layers below'],
  [{ price: 'time', maxStepTime: 0.5, scope: 'global' }, 'Leave one out.'],
  [{ price: 'time', scope: 'global', share: 'column' }, 'share column adapts every layer'],
  [{ method: 'lora', select: 'output-norm', maxStepTime: 0.5, scope: 'global' }, 'Take share none.'],
  [{ method: 'lora', select: 'random', price: 'time', scope: 'global' }, 'price is read by select diffora alone'],
  [{ priceWeight: 1 }, 'priceWeight is read with price alone'],
])('is refused: %o', (settings, message) => {
  expect(() => parseTrainConfig({ task, ...settings }, 'test')).toThrow(message);
});
