import { beforeAll, describe, expect, it } from 'vitest';
import { selectionSettingsOf } from '../../src/jobs/selectModules.js';
import type { Model } from '../../src/models/model.js';
import { selectionMethods, selectionNames } from '../../src/selection/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { openTinyBert } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from './examples.js';

let model: Model;
beforeAll(async () => {
  model = await openTinyBert(3, 'tiny-bert-backbone');
});

/** What is read where the modules and the head are opened, or after the choice. */
const elsewhere = ['head', 'share', 'start'];
/** How settings are called where they are read. */
const names: Readonly<Record<string, string>> = {
  searchEpochs: 'steps',
  searchShare: 'steps',
  epochs: 'steps',
  maxSteps: 'steps',
  searchSteps: 'steps',
  dropout: 'dropoutRate',
};

/** An object that notes which of its fields are read. */
function noted<T extends object>(value: T, read: Set<string>): T {
  return new Proxy(value, {
    get(target, key, receiver) {
      read.add(String(key));
      return Reflect.get(target, key, receiver);
    },
    ownKeys() {
      throw new Error('a selection is to read the fields that it declares, not to spread them all');
    },
  });
}

describe.each(selectionNames)('selection by %s', (name) => {
  it('reads what it declares, and nothing else', async () => {
    const config = parseTrainConfig({ task: 'x', rank: 2, batchSize: 6, threads: 1, searchSteps: 2 }, 'test');
    const read = new Set<string>();
    await selectionMethods[name].select({
      model,
      objective: objectives.classification,
      halves: { train: examples(24, 'a'), validation: examples(24, 'b') },
      halvesBy: (seed) => ({ train: examples(24, `a${seed}`), validation: examples(24, `b${seed}`) }),
      settings: noted(selectionSettingsOf(config, 24), read),
      allowance: { scope: 'row', keep: 0.5, sizes: Array.from({ length: 3 }, () => model.modules.map(() => 2 * 64)) },
      phase: () => ({ update: () => {}, end: () => {} }),
    });
    const { settings, reads } = selectionMethods[name];
    // Targets are read by the list, and of the others where the model is opened; the allowance where modules are kept.
    const beside = [
      ...elsewhere,
      'keep',
      'budget',
      'scope',
      'measurePer',
      'price',
      'priceWeight',
      'maxStepTime',
      ...(name === 'list' ? [] : ['targets']),
    ];
    const declared = [...Object.keys(settings), ...reads].filter((one) => !beside.includes(one));
    const expected = new Set(declared.map((one) => names[one] ?? one));
    for (const one of ['seed', 'threads']) read.delete(one);
    expect([...read].sort()).toEqual([...expected].sort());
  });
});
