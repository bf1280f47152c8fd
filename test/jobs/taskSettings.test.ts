import { describe, expect, it } from 'vitest';
import { refuseUnread, refuseUnreadIn, settingsUnreadBy } from '../../src/jobs/taskSettings.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { type KindSetting, kindSettings } from '../../src/tasks/kinds/kind.js';
import { type KindName, kinds } from '../../src/tasks/kinds/registry.js';

const taskOf = (kind: KindName) => {
  const { usual, further = [] } = kinds[kind].metrics({ text: 'text', label: 'label' });
  return { name: 'x', kind: kinds[kind], metrics: [...usual, ...further] };
};

/** Another value than the default. */
const others: Readonly<Record<KindSetting, unknown>> = {
  stride: 5,
  nullScoreDiffThreshold: 1,
  labelSmoothing: 0.1,
  classWeights: 'balanced',
  head: 'classifier',
  headLr: 1e-3,
  headWeightDecay: 0,
  trainOn: 'last',
  chatTemplate: 'zephyr',
  prefix: 'summarize: ',
  maxTargetLength: 20,
  loss: 'simpo',
  beta: 0.3,
  simpoGamma: 0.5,
  desirableWeight: 2,
  undesirableWeight: 0.5,
};

const ofChats = ['trainOn', 'chatTemplate'] as const;
const ofPreferences = ['loss', 'beta', 'simpoGamma', 'desirableWeight', 'undesirableWeight'] as const;
const isBeside = (key: KindSetting) => key === 'simpoGamma';
const ofTwoHalves = ['prefix', 'maxTargetLength'] as const;
const ofAnswers = [...ofChats, ...ofTwoHalves, ...ofPreferences];

describe('settings that only some kinds of tasks read', () => {
  it.each<[KindName, KindSetting[]]>([
    ['classification', ['stride', 'nullScoreDiffThreshold', ...ofAnswers]],
    ['regression', ['stride', 'nullScoreDiffThreshold', 'labelSmoothing', 'classWeights', ...ofAnswers]],
    ['span', ['labelSmoothing', 'classWeights', ...ofAnswers]],
    ['multi-label', ['stride', 'nullScoreDiffThreshold', 'labelSmoothing', 'classWeights', ...ofAnswers]],
    ['entities', ['stride', 'nullScoreDiffThreshold', 'labelSmoothing', 'classWeights', ...ofAnswers]],
    ['language', [...kindSettings]],
    ['preference', kindSettings.filter((key) => !['chatTemplate', 'labelSmoothing', ...ofPreferences].includes(key))],
    ['seq2seq', kindSettings.filter((key) => !ofTwoHalves.some((one) => one === key))],
    ['chat', kindSettings.filter((key) => !ofChats.some((one) => one === key))],
  ])('of %s are all but %j', (kind, unread) => {
    const task = taskOf(kind);
    expect(settingsUnreadBy(task)).toEqual(unread);
    for (const key of kindSettings) {
      // Some are read beside another one alone, which a configuration is held to before.
      const run = isBeside(key)
        ? () => refuseUnread({ [key]: others[key] }, task)
        : () => refuseUnreadIn(parseTrainConfig({ task: 'cola', [key]: others[key] }, 'test'), task);
      if (unread.includes(key)) expect(run).toThrow(`${key} is read by tasks of the kind`);
      else expect(run).not.toThrow();
    }
    expect(() => refuseUnreadIn(parseTrainConfig({ task: 'cola' }, 'test'), task)).not.toThrow();
  });

  it('are refused in a sentence', () => {
    expect(() => refuseUnread({ stride: 5 }, taskOf('regression'))).toThrow(
      'stride is read by tasks of the kind span; x is of the kind regression. Leave it out.',
    );
  });

  it('of spans are without the threshold where every question has an answer', () => {
    const answered = { ...taskOf('span'), metrics: ['f1', 'exact_match'] as const };
    expect(() => refuseUnread({ nullScoreDiffThreshold: 0 }, answered)).toThrow(
      'nullScoreDiffThreshold is not read: x is scored as if every question had an answer',
    );
  });
});
