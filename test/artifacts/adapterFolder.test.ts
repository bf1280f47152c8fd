import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { adapterMethods } from '../../src/adapters/registry.js';
import { headPartOf, openAdapter, placeAdapter, saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { type HeadPart, headParts } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { classification } from '../../src/tasks/kinds/classification.js';
import { oraclePath } from '../fixtures.js';
import { lettersTask as task } from '../models/lettersTask.js';
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

describe('the part of the head that was trained', () => {
  const open = async (head: HeadPart) =>
    openModel(await openCheckpoint(oraclePath('tiny-bert')), { numLabels: 3, head });

  async function saved(head: HeadPart): Promise<string> {
    const model = await open(head);
    const path = join(folder, head);
    const plan = adapterMethods.lora.plan(
      parseTrainConfig({ task: 'x', rank: 2 }, 'test').method,
      { own: model.adaptable, shared: [] },
      model,
    );
    const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
    const tokenizer = { files: [] } as never;
    const options = { task, tokenizer, maxLength: 16, baseModel: 'tiny', totalSteps: 1, paragraphs: [], scores: {} };
    await saveAdapter(path, model, plan, parameters, options);
    return path;
  }

  it.each(headParts)(
    '%s is said by task.json, and told by the names of the tensors where there is none',
    async (part) => {
      const path = await saved(part);
      const loaded = await openAdapter(path);
      expect(loaded.task.head).toBe(part);
      expect(headPartOf(loaded)).toBe(part);
      await rm(join(path, 'task.json'));
      expect(headPartOf(await openAdapter(path))).toBe(part);
    },
  );

  it('is that of a classifier however many tensors it has', () => {
    const names = [
      'classifier.dense.weight',
      'classifier.dense.bias',
      'classifier.out_proj.weight',
      'classifier.out_proj.bias',
    ];
    const head = names.map((name) => ({ name, shape: [1], data: new Float32Array(1) }));
    const unknown = {
      format: 'diffora-task/1',
      name: 'unknown',
      kind: classification,
      labels: [],
      columns: { text: 'a', label: 'b' },
      metrics: ['accuracy'],
      maxLength: 16,
    } as const;
    expect(headPartOf({ task: { ...unknown, labels: [], metrics: ['accuracy'] }, head })).toBe('classifier');
  });
});
