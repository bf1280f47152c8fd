import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { headParameters } from '../../src/engine/parameters.js';
import { train } from '../../src/jobs/train.js';
import { trainIn } from '../../src/jobs/trainedRun.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { silent } from '../../src/reporter.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { reviewsFolder, type temporaryFolder } from '../cli/run.js';
import { expectClose } from '../fixtures.js';
import { quickConfig } from './resumed.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
});
afterAll(() => folder.remove());

/** Values by name after a run. */
async function trained(change: Partial<TrainConfigInput>) {
  const config = quickConfig(task, { method: 'lora', ...change });
  const workspace = await openWorkspace(config, silent);
  const run = await trainIn(workspace, config, { reporter: silent });
  const values = new Map(run.parameters.map(({ name, values }) => [name, values]));
  return { values, model: workspace.opened.model };
}

/** A rate at which next to nothing moves, and no decay. */
const still = { headLr: 1e-30, headWeightDecay: 0 };
const hardly = { relative: 0, floor: 1e-28 };

describe('a head with a learning rate of its own', () => {
  it('stays where its rate is next to nothing, and adapters move', async () => {
    const { values, model } = await trained(still);
    const fresh = await headParameters(model, 1);
    expect(fresh.length).toBeGreaterThan(1);
    for (const one of fresh) expectClose(one.name, values.get(one.name)!, one.values, hardly);
    const names = [...values.keys()].filter((name) => name.endsWith('lora_B'));
    for (const name of names) expect(values.get(name)!.some((value) => value !== 0)).toBe(true);
  });

  it('decays by its own weight alone', async () => {
    const [plain, decayed] = [await trained({}), await trained({ headWeightDecay: 50 })];
    const norm = (values: Float32Array) => Math.hypot(...values);
    const weights = plain.model.head.filter(({ shape }) => shape.length > 1).map(({ name }) => name);
    for (const name of weights) {
      expect(norm(decayed.values.get(name)!)).toBeLessThan(0.9 * norm(plain.values.get(name)!));
    }
  });

  it('has them where training goes on from an adapter, too', async () => {
    const config = quickConfig(task, { method: 'lora' });
    await train({ config, output: folder.path('first'), reporter: silent });
    const before = await trained({});
    const { values, model } = await trained({ ...still, adapter: folder.path('first') });
    for (const { name } of model.head) expectClose(name, values.get(name)!, before.values.get(name)!, hardly);
    expect([...values].some(([name, one]) => `${one}` !== `${before.values.get(name)}`)).toBe(true);
  });

  it('has them in the search and in joint runs, which a run can start from', async () => {
    for (const select of ['diffora', 'output-norm'] as const) {
      const { values, model } = await trained({ ...still, select, start: 'search', lr: 1e-3, maxSteps: 1 });
      for (const one of await headParameters(model, 1))
        expectClose(one.name, values.get(one.name)!, one.values, hardly);
    }
  });

  it('has no decay in a search, whose matrix is the same with one; a joint run has it', async () => {
    const values = async (select: 'diffora' | 'output-norm', headWeightDecay: number | undefined) => {
      const config = quickConfig(task, {
        method: 'lora',
        select,
        headWeightDecay,
        searchSteps: 5,
        lr: 1e-2,
        maxSteps: 1,
      });
      const { dam } = await trainIn(await openWorkspace(config, silent), config, { reporter: silent });
      return dam!.search?.logits ?? dam!.values;
    };
    expect(await values('diffora', 50)).toEqual(await values('diffora', undefined));
    expect(await values('output-norm', 50)).not.toEqual(await values('output-norm', undefined));
  });
});
