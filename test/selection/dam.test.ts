import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dam } from '../../src/selection/dam.js';
import { readDam } from '../../src/selection/readDam.js';

const dam: Dam = {
  format: 'diffora-dam/2',
  select: 'diffora',
  layers: 2,
  modules: ['a', 'b'],
  gamma: [
    [1, 0],
    [0, 1],
  ],
  values: [
    [0.6, 0.4],
    [0.4, 0.6],
  ],
  keep: 0.5,
  scope: 'row',
  share: 'none',
  seed: 1,
  search: {
    relax: 'sigmoid',
    logits: [
      [0.4, -0.4],
      [-0.4, 0.4],
    ],
    order: 'first',
    optimizer: 'adam',
    start: 'zero',
    entropyWeight: 0,
    seeds: [
      {
        seed: 1,
        gamma: [
          [1, 0],
          [0, 1],
        ],
      },
    ],
    steps: 1,
    learningRate: 1e-3,
    damLearningRate: 0.03,
    batchSize: 8,
    trainExamples: 10,
    validationExamples: 10,
    history: [{ step: 0, validationLoss: 0.7, trainLoss: 0.7, entropy: 1, spread: 0 }],
  },
  model: 'm',
  task: 't',
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-dam-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(content: string): Promise<string> {
  const file = join(folder, 'dam.json');
  await writeFile(file, content);
  return file;
}

describe('dam.json', () => {
  it('is read as it was written', async () => {
    expect(await readDam(await written(JSON.stringify(dam)))).toEqual(dam);
  });

  it('that is wrong is refused by file and key', async () => {
    const broken: [unknown, RegExp][] = [
      [{ ...dam, gamma: [[1, 0]] }, /dam\.json: gamma is not 2 rows of 2/],
      [
        {
          ...dam,
          gamma: [
            [1, 2],
            [0, 1],
          ],
        },
        /dam\.json: gamma\[0\]\[1\] is 2/,
      ],
      [{ ...dam, keep: 'half' }, /dam\.json: keep/],
      [{ ...dam, rho: 1 }, /rho/],
      [{ ...dam, format: 'other' }, /format/],
    ];
    for (const [content, message] of broken) {
      await expect(readDam(await written(JSON.stringify(content)))).rejects.toThrow(message);
    }
    await expect(readDam(await written('{'))).rejects.toThrow(/dam\.json is not valid JSON/);
    await expect(readDam(join(folder, 'none.json'))).rejects.toThrow(/none\.json/);
  });
});
