import type { TensorValues } from '../../adapters/plan.js';
import { permuted } from '../../checkpoint/ggufHeadRows.js';
import type { NamedTensor } from '../../checkpoint/types.js';
import type { ExportSource } from '../source.js';
import type { GgufArchitecture } from './architectures/architecture.js';
import { refuse } from './refusal.js';
import type { GgufOutput } from './writeGguf.js';

/** An adapter as llama.cpp loads it beside its base. */
export interface GgufAdapter {
  /** `adapter.lora.alpha`, which llama.cpp divides by the rank of each pair. */
  readonly alpha: number;
  readonly tensors: readonly GgufOutput[];
}

/**
 * The pairs of a LoRA adapter under the names of the weights that they belong to. llama.cpp knows one alpha for all: where
 * scaling · rank differs from pair to pair (rsLoRA, alphas of their own), B takes the difference.
 *
 * @throws Refusal for an adapter that is more than pairs of A and B
 */
export function adapterTensors(
  source: ExportSource,
  architecture: GgufArchitecture,
  dtype: 'F32' | 'F16',
): GgufAdapter {
  const { opened, plan } = source;
  const { model } = opened;
  const pairs = pairsOf(source);
  const tied = plan.placements.find(({ module }) => model.tied.has(`${module.path}.weight`));
  if (tied !== undefined) {
    refuse(
      `it acts on ${tied.module.path}, which is tied to the embeddings, so that the base has no such tensor. ${whole}`,
    );
  }
  const scaled = plan.placements.map(({ rank, scaling }) => rank * scaling);
  const alpha = scaled[0]!;
  const tensors = plan.placements.flatMap(({ module }, index): GgufOutput[] => {
    const { a, b } = pairs.get(module.path)!;
    const name = `${module.path}.weight`;
    const place =
      architecture.place(name, model) ?? refuse(`"${name}" has no place in llama.cpp's ${architecture.name}`);
    const by = scaled[index]! / alpha;
    const factors = by === 1 ? b.data : b.data.map((value) => value * by);
    const rows = place.heads === undefined ? factors : permuted(factors, module.outFeatures, place.heads);
    return [
      { name: `${place.name}.lora_a`, shape: a.shape, type: dtype, values: async () => a.data },
      { name: `${place.name}.lora_b`, shape: b.shape, type: dtype, values: async () => rows },
    ];
  });
  return { alpha, tensors };
}

const whole = 'Leave out --lora, and the adapter is folded into the model';

interface Pair {
  readonly a: NamedTensor;
  readonly b: NamedTensor;
}

/** A [rank, in] and B [out, rank] by path of the module. */
function pairsOf({ opened, plan, parameters }: ExportSource): ReadonlyMap<string, Pair> {
  if (plan.placements.length === 0) refuse(`it is no adapter of pairs A and B, which llama.cpp loads. ${whole}`);
  const [own] = [...plan.replaced, ...(plan.fixed ?? [])];
  if (own !== undefined) {
    refuse(`it has tensors of the base model too (${own}), which llama.cpp cannot load. ${whole}`);
  }
  const byName = new Map(parameters.map((one) => [one.name, one.values]));
  const values: TensorValues = (name) => byName.get(name)!;
  const contents = plan.save(opened.model, values, { totalSteps: 0 });
  const modules =
    contents.format === 'peft' ? contents.modules : new Map<string, Readonly<Record<string, NamedTensor>>>();
  return new Map(
    plan.placements.map(({ module: { path } }) => {
      const { 'lora_A.weight': a, 'lora_B.weight': b, ...more } = modules.get(path) ?? {};
      const others = Object.keys(more);
      if (a === undefined || b === undefined || others.length > 0) {
        refuse(
          `it is more than pairs A and B (${others[0] ?? plan.method}), and llama.cpp loads no other adapter. ${whole}`,
        );
      }
      return [path, { a, b }];
    }),
  );
}
