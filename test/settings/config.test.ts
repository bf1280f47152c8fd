import { describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { trainingSteps } from '../../src/jobs/fineTune.js';
import { dropoutRateOf, flatConfig, parseTrainConfig } from '../../src/settings/config.js';

describe('a configuration', () => {
  it('has defaults for all but the task', () => {
    const config = parseTrainConfig({ task: 'cola' }, 'flags');
    expect(flatConfig(config)).toMatchObject({
      method: 'diffora',
      keep: 0.67,
      rank: 8,
      targets: ['all'],
      relax: 'softmax',
      damOptimizer: 'mirror',
      damInit: 'zero',
      scope: 'row',
      share: 'none',
      start: 'fresh',
    });
    expect(flatConfig(config)).toMatchObject({ alpha: 16, lr: 5e-4 });
    expect(() => parseTrainConfig({}, 'flags')).toThrow(/flags: task/);
  });

  it('names an unknown key and the nearest known one, as wrong usage', () => {
    const parse = () => parseTrainConfig({ task: 'cola', batchsize: 8 }, 'a.yaml');
    expect(parse).toThrow(/a\.yaml: "batchsize" is not a setting; nearest: batchSize/);
    try {
      parse();
    } catch (error) {
      expect((error as DiffoError).exitCode).toBe(2);
    }
    expect.assertions(2);
  });

  it.each([
    { keep: 0 },
    { keep: 1.1 },
    { rank: 0 },
    { rank: 1.5 },
    { lr: -1 },
    { dropout: 1 },
    { method: 'lo-ra' },
    { targets: [] },
    { maxLength: 2 },
  ])('refuses %o', (change) => {
    expect(() => parseTrainConfig({ task: 'cola', ...change }, 'flags')).toThrow(DiffoError);
  });

  it('knows dropout as a rate or as the model’s own', () => {
    expect(dropoutRateOf({ dropout: 'model' })).toBeUndefined();
    expect(dropoutRateOf({ dropout: 0.2 })).toBe(0.2);
  });

  it('trains for its epochs, or for fewer steps', () => {
    expect(trainingSteps({ epochs: 3 }, 10)).toBe(30);
    expect(trainingSteps({ epochs: 0.5 }, 10)).toBe(5);
    expect(trainingSteps({ epochs: 0.01 }, 10)).toBe(1);
    expect(trainingSteps({ epochs: 3, maxSteps: 7 }, 10)).toBe(7);
    expect(trainingSteps({ epochs: 3, maxSteps: 99 }, 10)).toBe(30);
  });
});
