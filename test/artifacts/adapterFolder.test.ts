import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openAdapter, placeAdapter } from '../../src/artifacts/adapterFolder.js';
import { oraclePath } from '../fixtures.js';
import { openTinyBert } from '../models/tinyBert.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-adapter-'));
  await cp(oraclePath('tiny-bert-adapter'), folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function changeConfig(change: Record<string, unknown>): Promise<void> {
  const file = join(folder, 'adapter_config.json');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...change }));
}

const placed = async () => placeAdapter(await openAdapter(folder), await openTinyBert());

describe('an adapter that PEFT wrote (rank 4, alpha 8)', () => {
  it('is placed on its modules, scaled by alpha / rank', async () => {
    const { plan, parameters } = await placed();
    expect(plan.placements).toHaveLength(18);
    expect(plan.placements.every(({ scaling }) => scaling === 2)).toBe(true);
    expect(parameters.map(({ name }) => name)).toContain('classifier.weight');
  });

  it('is scaled by alpha / √rank when it is rank-stabilised (arXiv 2312.03732)', async () => {
    await changeConfig({ use_rslora: true });
    const { plan } = await placed();
    expect(plan.placements.every(({ scaling }) => scaling === 4)).toBe(true);
  });

  it('is refused on a model of another width, with both shapes', async () => {
    const model = await openTinyBert();
    const wider = { ...model, adaptable: model.adaptable.map((one) => ({ ...one, inFeatures: 2 * one.inFeatures })) };
    const loaded = await openAdapter(folder);
    expect(() => placeAdapter(loaded, wider)).toThrow(/has lora_A \[4,32\]; .* needs \[4,64\]/);
  });

  it('is refused on a model that lacks its modules', async () => {
    const model = await openTinyBert();
    const smaller = { ...model, adaptable: model.adaptable.filter(({ layer }) => layer < 2) };
    const loaded = await openAdapter(folder);
    expect(() => placeAdapter(loaded, smaller)).toThrow(/layer\.2.*is no module/);
  });
});
