import { beforeAll, describe, expect, it } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import { adapterSize } from '../../src/adapters/plan.js';
import { DiffoError } from '../../src/errors.js';
import type { Model } from '../../src/models/model.js';
import { splitByGamma } from '../../src/selection/dam.js';
import { matchTargets, rankForBudget, restrictColumns } from '../../src/selection/targets.js';
import { openTinyBert } from '../models/tinyBert.js';

let model: Model;
beforeAll(async () => {
  model = await openTinyBert();
});

const paths = (modules: readonly { path: string }[]) =>
  modules.map(({ path }) => path.replace('bert.encoder.layer.', ''));

describe('targets', () => {
  it('match ends of module paths at a dot, as PEFT does', () => {
    expect(paths(matchTargets(model, ['query']))).toEqual(['0', '1', '2'].map((l) => `${l}.attention.self.query`));
    expect(paths(matchTargets(model, ['layer.1.output.dense']))).toEqual(['1.output.dense']);
    // `output.dense` is also the end of attention.output.dense.
    expect(matchTargets(model, ['output.dense'])).toHaveLength(6);
  });

  it('come in the order of the model, each once', () => {
    expect(matchTargets(model, ['value', 'query', 'query'])).toEqual(matchTargets(model, ['query', 'value']));
    expect(matchTargets(model, ['all'])).toEqual(model.adaptable);
  });

  it('that match nothing are refused with the nearest names', () => {
    expect(() => matchTargets(model, ['qurey'])).toThrow(/qurey.*nearest: query/);
    expect(() => matchTargets(model, ['uery'])).toThrow(DiffoError);
  });

  it('restrict a search to columns, and only to whole ones', () => {
    const restricted = restrictColumns(model, ['query', 'value']);
    expect(restricted.modules).toEqual(['attention.self.query', 'attention.self.value']);
    expect(restricted.adaptable).toHaveLength(6);
    expect(() => restrictColumns(model, ['layer.1.output.dense'])).toThrow(/same modules in every layer/);
  });
});

describe('a budget', () => {
  it('is met as nearly as a whole rank allows', () => {
    const own = matchTargets(model, ['query', 'value', 'intermediate.dense']);
    const kept = loraPlan({ rank: 8, alpha: 16 }, { own, shared: [] });
    const rank = rankForBudget(model.adaptable, adapterSize(kept));
    const size = (r: number) => adapterSize(loraPlan({ rank: r, alpha: 16 }, { own: model.adaptable, shared: [] }));
    const distance = (r: number) => Math.abs(size(r) - adapterSize(kept));
    expect(distance(rank)).toBeLessThanOrEqual(Math.min(distance(rank - 1), distance(rank + 1)));
    expect(rankForBudget(model.adaptable, 1)).toBe(1);
  });
});

describe('Γ', () => {
  it('parts the modules by row and column', () => {
    const gamma = [
      [1, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 1],
      [0, 0, 1, 0, 0, 0],
    ];
    const { kept, rest } = splitByGamma(model, gamma);
    expect(paths(kept)).toEqual(['0.attention.self.query', '1.output.dense', '2.attention.self.value']);
    expect(kept.length + rest.length).toBe(18);
  });

  it('leaves modules to share one pair for each column', () => {
    const { kept, rest } = splitByGamma(
      model,
      model.adaptable.length > 0
        ? [
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
          ]
        : [],
    );
    const plan = loraPlan({ rank: 2, alpha: 4 }, { own: kept, shared: rest });
    expect(plan.placements).toHaveLength(18);
    expect(plan.tensors).toHaveLength(2 * (9 + 3));
    const shared = plan.placements
      .filter(({ pair }) => pair === 'shared.output.dense')
      .map(({ module }) => module.layer);
    expect(shared).toEqual([0, 1, 2]);
  });
});
