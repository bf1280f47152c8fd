import { describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { checkSettings, flatConfig, parseTrainConfig, trainKeys, trainSchema } from '../../src/settings/config.js';
import { dropoutRateOf } from '../../src/settings/dropoutRate.js';
import { trainingSteps } from '../../src/settings/trainingOptions.js';

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
      damInit: 'gradient-norm',
      searchShare: 0.3,
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

describe('a value that a setting does not take', () => {
  const messageOf = (settings: object) => {
    try {
      checkSettings(settings, 'x.yaml', { task: 'cola' });
    } catch (error) {
      return (error as DiffoError).message;
    }
    return undefined;
  };
  const strange = [{ a: 'b' }, [[]], 'x y', '', -1e9, 0.5, 1e99, true, null];

  it.each(trainKeys)('is named, and what it takes: %s', (key) => {
    const refused = strange.filter((value) => !trainSchema.shape[key].safeParse(value).success);
    expect(refused.length).toBeGreaterThan(0);
    for (const value of refused) {
      const message = messageOf({ [key]: value });
      expect(message).toMatch(new RegExp(`^x\\.yaml: ${key}\\S* is .*; it takes .*\\.$`));
      expect(message).not.toMatch(/Invalid|expected|received|Too (small|big)|>=|undefined/);
    }
  });

  it.each<[object, string]>([
    [{ epochs: 'three' }, 'epochs is "three"; it takes a number above 0.'],
    [{ keep: 1.5 }, 'keep is 1.5; it takes a number above 0 and of at most 1.'],
    [{ method: 'lo-ra' }, 'it takes one of diffora, head, full, '],
    [{ method: 'lo-ra' }, '; nearest: lora.'],
    [{ targets: 'query' }, 'targets is "query"; it takes a list, each a text, at least 1 of them.'],
    [{ metrics: ['f2'] }, 'metrics[0] is "f2"; it takes one of matthews, '],
    [{ ranks: { query: 0 } }, 'ranks.query is 0; it takes a whole number of at least 1.'],
    [{ classWeights: { spam: -1 } }, 'classWeights.spam is -1; it takes a number above 0.'],
    [{ dropout: 2 }, 'dropout is 2; it takes model or a number of at least 0 and below 1.'],
    [{ head: null }, 'head is null; it takes one of classifier, all.'],
  ])('is said in words: %o', (settings, message) => {
    expect(messageOf(settings)).toContain(message);
  });

  it('is missing where there is none', () => {
    expect(() => parseTrainConfig({}, 'x.yaml')).toThrow('x.yaml: task is missing; it takes a text.');
  });
});
