import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../src/jobs/train.js';
import { silent } from '../../src/reporter.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { temporaryFolder } from '../cli/run.js';
import { bytesOf, quickConfig, trainInParts } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  task = folder.path('reviews.csv');
  const rows = Array.from(
    { length: 40 },
    (_, i) => `the ${i % 2 === 0 ? 'cat' : 'man'} ${'so '.repeat(i % 4)}${i},${i % 2 === 0 ? 'good' : 'bad'}\n`,
  );
  await writeFile(task, `review,stars\n${rows.join('')}`);
});
afterAll(() => folder.remove());

const upper: Partial<TrainConfigInput> = {
  method: 'lora',
  targets: ['layer.2.attention.self.query', 'layer.2.output.dense'],
};

async function run(name: string, change: Parameters<typeof quickConfig>[1]) {
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  const output = folder.path(name);
  await train({ config: quickConfig(task, change), output, reporter: { ...silent, info: say, warn: say } });
  return { bytes: await bytesOf(output), said };
}

describe('a run that keeps what the frozen layers give', () => {
  it.each([
    ['memory', {}],
    ['disk', {}],
    ['memory', { cachePrefixType: 'bfloat16' }],
  ] as const)(
    'in %s, %o: gives the same bytes again, and where it is left and resumed',
    async (cachePrefix, change) => {
      const settings = { ...upper, ...change, cachePrefix };
      const name = `${cachePrefix}-${Object.keys(change).join()}`;
      const { bytes } = await run(name, settings);
      expect((await run(`${name}-again`, settings)).bytes).toEqual(bytes);
      const parts = folder.path(`${name}-parts`);
      await trainInParts(quickConfig(task, { ...settings, saveSteps: 2 }), parts, [
        ['train', 3],
        ['train', 7],
      ]);
      expect(await bytesOf(parts)).toEqual(bytes);
    },
  );

  it('says how much it keeps, and how much does not fit, which changes no byte', async () => {
    const whole = await run('whole', { ...upper, cachePrefix: 'memory' });
    expect(whole.said).toContainEqual(
      expect.stringMatching(
        /^What enters layer 2 is computed once for each example and kept in memory: [\d.e-]+ GB\.$/,
      ),
    );
    const little = await run('little', { ...upper, cachePrefix: 'memory', cachePrefixLimit: 1e-5 });
    expect(little.said).toContainEqual(
      expect.stringMatching(/--cache-prefix-limit allows .*about \d+ % is computed again/),
    );
    expect(little.bytes.adapter).toBe(whole.bytes.adapter);
  });

  it('keeps nothing, with a warning, where a selection adapts the first layer', async () => {
    const { said } = await run('all', { method: 'diffora', scope: 'global', keep: 1, cachePrefix: 'memory' });
    expect(said).toContainEqual(expect.stringMatching(/layer\.0\..* is trained\. Nothing is kept\.$/));
  });
});

describe('cachePrefix is refused', () => {
  it('where the targets lie in the first layer, or embeddings are trained', async () => {
    await expect(run('first', { method: 'lora', cachePrefix: 'memory' })).rejects.toThrow('layer.0.');
    const saved = { ...upper, saveModules: ['word_embeddings'], cachePrefix: 'memory' as const };
    await expect(run('embeddings', saved)).rejects.toThrow('word_embeddings.weight is trained. Leave it out');
  });

  it.each<[object, string]>([
    [{ method: 'lora', dropout: 0.1 }, 'Give dropout 0, or leave cachePrefix out.'],
    [{ method: 'full' }, 'cachePrefix is read by method head, lora'],
    [{ method: 'diffora' }, 'scope row adapts every layer'],
    [{ method: 'lora', select: 'uniform' }, 'select uniform adapts every layer'],
    [{ method: 'diffora', scope: 'global', share: 'column' }, 'share column adapts every layer'],
  ])('by its settings: %o', (settings, message) => {
    expect(() => parseTrainConfig({ task, cachePrefix: 'memory', ...settings }, 'test')).toThrow(message);
  });
});
