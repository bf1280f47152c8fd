import { expect, it } from 'vitest';
import { collate } from '../../src/engine/batching.js';
import { hasDropout, openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, type Parameter } from '../../src/engine/parameters.js';
import { sharedStep } from '../../src/engine/sharedStep.js';
import { openGates } from '../../src/selection/moduleGates.js';
import { countSessions } from '../library/sessions.js';
import { openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

const sessions = countSessions();

async function gatedStep() {
  const model = await openTinyBert();
  const plan = planOf(model);
  const weights = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  // B starts at 0, where no gate matters.
  for (const { values } of weights) for (let i = 0; i < values.length; i++) values[i]! += 0.01 * ((i % 7) - 3);
  const gates = openGates(model, 0.5);
  const inputIds = Int32Array.of(2, 7, 9, 11, 3);
  const example = { inputIds, tokenTypeIds: new Int32Array(5), label: 1, index: 0 };
  const batch = collate([example], model.padTokenId, objectives.classification);
  const options = {
    objective: objectives.classification,
    plan,
    parameters: [...weights, gates.parameter],
    gates: gates.of,
    threads: 1,
    largestBatch: { batch: 1, seq: 5 },
  };
  const open = (wrt: readonly Parameter[]) => openGradientStep(model, { ...options, wrt });
  return { model, options, open, weights, gates: [gates.parameter], batch };
}

it('a shared step is compiled once, and gives each user to the bit what a step of its own would', async () => {
  const { open, weights, gates, batch } = await gatedStep();
  const all = [...gates, ...weights];
  const openShared = sharedStep(() => open(all), all);
  for (const wrt of [gates, weights]) {
    const own = await open(wrt);
    const before = sessions.opened;
    const users = [await openShared(wrt), await openShared(all)];
    expect(sessions.opened - before).toBe(1);
    expect(await users[0]!.run(batch, 0)).toBe(await own.run(batch, 0));
    expect(users[0]!.gradients).toEqual(own.gradients);
    for (const one of users) await one.release();
    await own.release();
  }
  expect(sessions.open).toBe(0);
});

it('a step has dropout where a seed is given and a site has a rate', async () => {
  const { model, options } = await gatedStep();
  const at = (dropoutSeed: number | undefined, dropoutRate: number) =>
    hasDropout(model, { ...options, ...(dropoutSeed === undefined ? {} : { dropoutSeed }), dropoutRate });
  expect([at(undefined, 0.1), at(1, 0), at(1, 0.1)]).toEqual([false, false, true]);
});
