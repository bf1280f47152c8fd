import { describe, expect, it } from 'vitest';
import { planFromPeft } from '../../src/adapters/fromPeft.js';
import { loraType } from '../../src/adapters/peft/loraType.js';
import type { PeftAdapter } from '../../src/adapters/peft/types.js';
import {
  adapterMethods,
  adapterSettingHelp,
  adapterSettings,
  peftReaderOf,
  peftTypes,
  plainFormatOf,
  plainMethodNames,
  settingsOf,
  withAdapterDefaults,
} from '../../src/adapters/registry.js';
import { openTinyBert } from '../models/tinyBert.js';

const given = (change: object = {}) => ({
  reduction: 16,
  loraDropout: 0,
  bias: 'none' as const,
  loraPlusRatio: 16,
  pissaIterations: 8,
  adaloraDeltaT: 10,
  adaloraBeta1: 0.85,
  adaloraBeta2: 0.85,
  adaloraOrthogonality: 0.5,
  veraInitial: 0.1,
  ...change,
});

describe('settings of methods', () => {
  it('have a description each, and are the very same schema in every method that reads them', () => {
    for (const method of Object.values(adapterMethods)) {
      for (const name of settingsOf(method)) {
        expect(method.settings[name], name).toBe(adapterSettings[name]);
        expect(adapterSettings[name].description, name).toBeTruthy();
      }
    }
  });

  it('have defaults that hang on the rank: alpha 2 r, AdaLoRA starts with 1.5 r (arXiv 2303.10512, section 4)', () => {
    expect(withAdapterDefaults('lora', given())).toMatchObject({ rank: 8, alpha: 16, adaloraInitRank: 12 });
    expect(withAdapterDefaults('adalora', given({ rank: 5 }))).toMatchObject({ alpha: 10, adaloraInitRank: 8 });
    expect(withAdapterDefaults('vera', given())).toMatchObject({ rank: 256 });
    expect(withAdapterDefaults('lora', given({ alpha: 3 }))).toMatchObject({ rank: 8, alpha: 3 });
  });

  it('are explained with the methods that read them, where these are few, and with ranks that differ', () => {
    expect(adapterSettingHelp('reduction')).toBe('houlsby, pfeiffer: width of the model over width of the bottleneck');
    expect(adapterSettingHelp('loraPlusRatio')).toBe('loraplus: learning rate of B over that of A');
    expect(adapterSettingHelp('rank')).toBe('rank r of A and B (default: 8, for vera 256)');
  });
});

describe('a file in the format of PEFT', () => {
  it('is of exactly one method, whatever its fields say', () => {
    const choices = [undefined, false, true];
    const fields = choices.flatMap((use_dora) => choices.map((use_rslora) => ({ use_dora, use_rslora })));
    for (const type of peftTypes) {
      for (const one of fields) expect(() => peftReaderOf({ type, fields: one })).not.toThrow();
    }
    const methodOf = (one: object) => peftReaderOf({ type: loraType, fields: { ...one } }).method;
    expect(methodOf({})).toBe('lora');
    expect(methodOf({ use_rslora: true })).toBe('rslora');
    expect(methodOf({ use_dora: true })).toBe('dora');
    // PEFT applies both: a DoRA whose pairs are scaled by alpha / √rank.
    expect(methodOf({ use_dora: true, use_rslora: true })).toBe('dora');
  });

  it('is refused with a tensor that its type does not have, by name', async () => {
    const model = await openTinyBert();
    const { path, inFeatures, outFeatures } = model.adaptable[0]!;
    const tensor = (name: string, shape: number[]) => {
      return { name, shape, data: new Float32Array(shape.reduce((product, size) => product * size, 1)) };
    };
    const pair = {
      'lora_A.weight': tensor('a', [2, inFeatures]),
      'lora_B.weight': tensor('b', [outFeatures, 2]),
    };
    const adapter = (more: PeftAdapter['modules'] extends ReadonlyMap<string, infer T> ? T : never): PeftAdapter => ({
      type: loraType,
      baseModel: 'tiny',
      taskType: 'SEQ_CLS',
      rank: 2,
      alpha: 4,
      rankPattern: {},
      alphaPattern: {},
      targetModules: [path],
      modulesToSave: [],
      modules: new Map([[path, { ...pair, ...more }]]),
      shared: [],
      saved: [],
      biases: [],
      fields: {},
    });
    expect(planFromPeft(adapter({}), model, 'folder').plan.placements).toHaveLength(1);
    expect(() => planFromPeft(adapter({ lora_embedding_A: tensor('x', [2, 4]) }), model, 'folder')).toThrow(
      `folder: ${path} has lora_embedding_A [2,4]; LORA knows no such tensor.`,
    );
  });
});

it("a file in diffora's own format holds the settings of its own method", () => {
  expect([...plainMethodNames].sort()).toEqual(['bitfit', 'full', 'houlsby', 'pfeiffer']);
  const holds = (name: 'bitfit' | 'houlsby', settings: object) =>
    plainFormatOf(name).settings.safeParse(settings).success;
  expect(holds('houlsby', { reduction: 4 })).toBe(true);
  expect(holds('houlsby', {})).toBe(false);
  expect(holds('bitfit', {})).toBe(true);
  expect(holds('bitfit', { reduction: 4 })).toBe(false);
});
