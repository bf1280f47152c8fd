import { expect, it } from 'vitest';
import { selectionSettingsOf } from '../../src/jobs/selectModules.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';

// 3,300 examples, of which weights learn on half: 207 batches of 16, 414 steps in two epochs, of which 0.3 are 124.2 passes.
it.each<[Partial<TrainConfigInput>, number]>([
  // Two passes for each of four members, and 16 of the gradient norms.
  [{}, Math.floor((124.2 - 16) / 8)],
  [{ searchTeam: 1, damInit: 'zero' }, 62],
  [{ searchTeam: 1, searchSeeds: 2 }, Math.floor((124.2 - 32) / 4)],
  [{ searchOrder: 'second', damInit: 'zero' }, Math.floor(124.2 / 6)],
  [{ searchShare: 1, damInit: 'zero', searchTeam: 2 }, Math.floor(414 / 4)],
  [{ maxSteps: 100 }, 4],
  [{ method: 'lora', select: 'leave-one-out' }, 124],
  [{ searchEpochs: 2 }, Math.ceil((2 * 1650) / 16)],
  [{ searchSteps: 7 }, 7],
])('a search with %o has %d steps', (settings, steps) => {
  const config = parseTrainConfig({ task: 'cola', epochs: 2, batchSize: 16, ...settings }, 'test');
  expect(selectionSettingsOf(config, 1650).steps).toBe(steps);
});
