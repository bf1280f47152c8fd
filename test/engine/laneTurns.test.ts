import { expect, it } from 'vitest';
import { collate } from '../../src/engine/batching.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { openLaneTurns } from '../../src/engine/laneTurns.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { openTinyBert, planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';

it('trainings that take turns in one graph have to the bit what each has alone, with dropout of its own', async () => {
  const model = await openTinyBert();
  const plan = planOf(model);
  const objective = objectives.classification;
  const lanes = await Promise.all(
    [1, 2, 3].map(async (seed) => [
      ...(await adapterParameters(plan, model, seed)),
      ...(await headParameters(model, seed)),
    ]),
  );
  const batches = [4, 3, 2].map((size, lane) => collate(examples(size, `${lane}`), model.padTokenId, objective));
  const options = {
    objective,
    plan,
    threads: 1,
    dropoutSeed: 5,
    dropoutRate: 0.2,
    largestBatch: { batch: 4, seq: Math.max(...batches.map(({ sequenceLength }) => sequenceLength)) },
  };
  const turns = await openLaneTurns(model, { ...options, parameters: lanes[0]!, wrt: lanes[0]! }, lanes);
  const mean = await turns.run(
    batches.map((batch) => [batch]),
    7,
  );
  const losses: number[] = [];
  for (const [lane, parameters] of lanes.entries()) {
    const alone = await openGradientStep(model, { ...options, parameters, wrt: parameters });
    losses.push(await alone.run(batches[lane]!, 7 * 3 + lane));
    for (const [k, gradient] of alone.gradients.entries()) {
      expect(turns.gradients[k]!.subarray(lane * gradient.length, (lane + 1) * gradient.length)).toEqual(gradient);
    }
    await alone.release();
  }
  expect([...turns.losses]).toEqual(losses);
  expect(mean).toBe(losses.reduce((sum, loss) => sum + loss, 0) / 3);
  await turns.release();
});
