import { ops } from '../../graph/index.js';
import type { AdaptableModule, Model } from '../../models/model.js';
import type { MethodOf } from '../method.js';
import { matchesWhole } from '../peft/patterns.js';
import { commonFields, type Fields, honoured, idle, type PeftType, targetFields } from '../peft/type.js';
import type { AdapterPlan, Placement } from '../plan.js';

/** Name of a module's factors: [in] where they scale its input, [out] where they scale its output. */
const factors = (path: string) => `${path}.ia3_l`;

/** A module that IA³ acts on. */
export interface ScaledModule {
  readonly module: AdaptableModule;
  /** What the factors scale. */
  readonly side: 'input' | 'output';
}

/**
 * IA³ (arXiv 2205.05638, section 3.3): the outputs of some modules and the inputs of others are scaled, one learned factor
 * a feature: l ⊙ (W0 x + b), W0 (l ⊙ x) + b. All factors start at 1. That b is scaled too is PEFT's; the paper's T5 has none.
 */
export function ia3Plan(scaled: readonly ScaledModule[]): AdapterPlan {
  const byPath = new Map(scaled.map((one) => [one.module.path, one]));
  const placements = scaled.map(({ module }): Placement => {
    return { module, pair: module.path, rank: 1, alpha: 1, scaling: 1 };
  });
  const widthOf = ({ module, side }: ScaledModule) => (side === 'input' ? module.inFeatures : module.outFeatures);
  return {
    method: 'ia3',
    placements,
    replaced: [],
    tensors: scaled.map((one) => ({ name: factors(one.module.path), shape: [widthOf(one)] })),
    initial: async () =>
      new Map(scaled.map((one) => [factors(one.module.path), new Float32Array(widthOf(one)).fill(1)])),
    adapt(call, y, { parameters }) {
      const one = byPath.get(call.path);
      if (one === undefined) return y;
      const l = parameters.get(factors(call.path))!;
      if (one.side === 'output') return ops.mul(y, l);
      const product = ops.matmul(ops.mul(call.x, l), call.weight, { transB: one.module.transposed !== true });
      return call.bias === undefined ? product : ops.add(product, call.bias);
    },
    mergedWeight({ module: { path, inFeatures } }, base, values) {
      const l = values(factors(path));
      const isInput = byPath.get(path)!.side === 'input';
      return base.map((value, i) => value * l[isInput ? i % inFeatures : Math.floor(i / inFeatures)]!);
    },
    mergedBias({ module: { path } }, base, values) {
      if (byPath.get(path)!.side === 'input') return base;
      const l = values(factors(path));
      return base.map((value, i) => value * l[i]!);
    },
    save: (_, values) => ({
      format: 'peft',
      type: ia3Type,
      rank: 1,
      alpha: 1,
      rankPattern: {},
      alphaPattern: {},
      modules: new Map(
        scaled.map((one) => {
          const name = factors(one.module.path);
          const shape = one.side === 'input' ? [1, widthOf(one)] : [widthOf(one), 1];
          return [one.module.path, { ia3_l: { name, shape, data: values(name) } }];
        }),
      ),
      shared: [],
      fields: {
        feedforward_modules: scaled.flatMap(({ module, side }) => (side === 'input' ? [module.path] : [])),
      },
    }),
  };
}

/** Keys, values and the input of the feed-forward sub-layer's last module (section 3.3 and figure 2). */
export function usualScaled({ adaptable }: Model): ScaledModule[] {
  return adaptable.flatMap((module): ScaledModule[] => {
    if (module.ends === 'feedForward') return [{ module, side: 'input' }];
    const scalesOutput = module.projects !== undefined && module.projects !== 'query';
    return scalesOutput ? [{ module, side: 'output' }] : [];
  });
}

const ia3Type: PeftType = {
  name: 'IA3',
  fields: {
    ...commonFields,
    ...targetFields,
    feedforward_modules: honoured(),
    init_ia3_weights: idle(true),
  },
  hasAlpha: false,
  hasRankPattern: false,
  moduleFields: ['feedforward_modules'],
  faultOf: ({ feedforward_modules: names }) => {
    if (names === undefined || names === null || typeof names === 'string') return undefined;
    return isTexts(names) ? undefined : '"feedforward_modules" must be a list of module names';
  },
  tensors: (fields) => ({ ia3_l: (module) => (isFeedForward(fields, module) ? [1, 'in'] : ['out', 1]) }),
  shared: {},
};

export const ia3 = {
  title: 'IA³',
  source: 'arXiv 2205.05638',
  places: 'itself',
  trainsEveryLayer: true,
  settings: {},
  usual: { lr: 3e-3 },
  plan: (_settings, _where, model) => ia3Plan(usualScaled(model)),
  format: {
    format: 'peft',
    type: ia3Type,
    reader: {
      matches: () => true,
      plan: ({ fields }, { own }) =>
        ia3Plan(own.map((module) => ({ module, side: isFeedForward(fields, module.path) ? 'input' : 'output' }))),
    },
  },
} satisfies MethodOf<unknown>;

/** As PEFT matches `feedforward_modules`: the whole path by a regular expression, or its end by a name, at a dot or not. */
function isFeedForward({ feedforward_modules: names }: Fields, module: string): boolean {
  if (typeof names === 'string') return matchesWhole('feedforward_modules', names, module);
  return isTexts(names) && names.some((name) => module.endsWith(name));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
