import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { DiffoError } from '../../src/errors.js';
import { type Family, taskTypes } from '../../src/models/model.js';
import { families, openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

/** What a hand or a damaged file may put in the place of a setting. */
const nasty: readonly unknown[] = [
  null,
  -1,
  0,
  1,
  3,
  1.5,
  -0.5,
  1e6,
  1e9,
  2 ** 31,
  2 ** 53,
  1e308,
  'text',
  '',
  '1',
  [],
  [1],
  {},
  { type: 'yarn' },
  true,
  false,
];

const names = readdirSync(oraclePath('families')).filter((name) => !name.includes('.'));

describe.each(names)('the config.json of %s with one setting replaced', (name) => {
  it('is understood or refused with a sentence that names the file', { timeout: 60_000 }, async () => {
    const checkpoint = await openCheckpoint(oraclePath('families', name));
    const family = families.find(({ modelTypes }) =>
      modelTypes.includes(String(checkpoint.config.model_type)),
    ) as Family;
    const usual = family.describe(checkpoint);
    const taskType = taskTypes.find((one) => one in usual.heads)!;
    let refused = 0;
    for (const key of Object.keys(checkpoint.config)) {
      for (const value of nasty) {
        const config = { ...checkpoint.config, [key]: value };
        try {
          openModel({ ...checkpoint, config }, { taskType, numLabels: 2 });
        } catch (error) {
          if (!(error instanceof DiffoError)) throw new Error(`${key}: ${JSON.stringify(value)}`, { cause: error });
          expect(error.message).toContain(checkpoint.folder);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(20);
  });
});
