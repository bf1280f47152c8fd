import * as z from 'zod';
import { elementCount } from '../checkpoint/dtype.js';
import { usageError } from '../errors.js';
import { ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model, SubLayer } from '../models/model.js';
import { randomStream } from '../random.js';
import type { AdapterPlan, AdapterTensor, Placement } from './plan.js';

/** Non-linearities of a bottleneck. */
export const bottleneckActivations = ['gelu', 'relu'] as const;
export type BottleneckActivation = (typeof bottleneckActivations)[number];

export interface BottleneckSettings {
  /** Width of the model over width of the bottleneck. */
  readonly reduction: number;
}

/** The setting of bottleneck adapters. */
export const bottleneckSettings = {
  reduction: z.number().min(0.01).default(16).describe('width of the model over width of the bottleneck'),
};

/** What a file of them says; a reduction that was solved for may be below what the setting allows. */
export const bottleneckFile = z.strictObject({ reduction: z.number().positive() });

/** How bottleneck adapters are placed and fed. */
export interface BottleneckForm {
  readonly method: string;
  readonly subLayers: readonly SubLayer[];
  readonly activation: BottleneckActivation;
  /** Names of the backbone's tensors that are trained too. */
  readonly replaced: readonly string[];
  /** y + update: `update` makes up σ(down · + b) up + b of what it is given. */
  readonly apply: (y: Tensor, close: (y: Tensor) => Tensor, update: (x: Tensor) => Tensor) => Tensor;
}

const down = (path: string) => `${path}.adapter_down`;
const up = (path: string) => `${path}.adapter_up`;

/**
 * Adapters of two linear maps with a non-linearity between them, at the ends of sub-layers. Down starts normal with
 * deviation 0.02 and up at 0, so that a fresh adapter changes nothing.
 */
export function bottleneckPlan(settings: BottleneckSettings, model: Model, form: BottleneckForm): AdapterPlan {
  const modules = model.adaptable.filter(({ ends }) => ends !== undefined && form.subLayers.includes(ends));
  const sizes = new Map(modules.map((module) => [module.path, bottleneckSize(module, settings.reduction)]));
  const tensors = modules.flatMap(({ path, outFeatures }): AdapterTensor[] => {
    const size = sizes.get(path)!;
    return [
      { name: `${down(path)}.weight`, shape: [size, outFeatures] },
      { name: `${down(path)}.bias`, shape: [size] },
      { name: `${up(path)}.weight`, shape: [outFeatures, size] },
      { name: `${up(path)}.bias`, shape: [outFeatures] },
    ];
  });
  const placements = modules.map((module): Placement => {
    return { module, pair: module.path, rank: sizes.get(module.path)!, alpha: 1, scaling: 1 };
  });
  return {
    method: form.method,
    placements,
    tensors,
    replaced: form.replaced,
    initial: async (_, seed) =>
      new Map(
        tensors.map(({ name, shape }) => {
          const stream = randomStream(seed, form.method, name);
          const deviation = name.endsWith('adapter_down.weight') ? 0.02 : 0;
          return [
            name,
            Float32Array.from({ length: elementCount(shape) }, () =>
              deviation === 0 ? 0 : deviation * stream.normal(),
            ),
          ];
        }),
      ),
    endSubLayer(path, y, close, { parameters }) {
      if (!sizes.has(path)) return close(y);
      const at = (name: string) => parameters.get(name)!;
      const linear = (name: string, x: Tensor) =>
        ops.add(ops.matmul(x, at(`${name}.weight`), { transB: true }), at(`${name}.bias`));
      const activate = form.activation === 'gelu' ? ops.gelu : ops.relu;
      return form.apply(y, close, (x) => linear(up(path), activate(linear(down(path), x))));
    },
    save: () => ({
      format: 'diffora',
      tensors: tensors.map(({ name }) => name),
      settings: { reduction: settings.reduction },
    }),
  };
}

function bottleneckSize({ path, outFeatures }: AdaptableModule, reduction: number): number {
  const size = Math.round(outFeatures / reduction);
  if (size >= 1) return size;
  throw usageError(`--reduction ${reduction} leaves nothing of the ${outFeatures} features of ${path}.`);
}
