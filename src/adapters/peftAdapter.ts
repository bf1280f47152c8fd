import type { NamedTensor } from '../checkpoint/types.js';
import type { Model } from '../models/model.js';
import type { PeftContents } from './contents.js';
import type { PeftAdapter } from './peft/types.js';
import type { AdapterPlan } from './plan.js';
import { isInside } from './savedModules.js';

/** Everything that a folder in PEFT's format holds of a plan. @param tensor its values, the head's and those of the base that it changed, by name */
export function peftAdapterOf(
  model: Model,
  plan: AdapterPlan,
  { format: _, ...rest }: PeftContents,
  tensor: (name: string) => NamedTensor,
  base: Pick<PeftAdapter, 'baseModel' | 'revision' | 'taskType'>,
): PeftAdapter {
  // How PEFT calls weights that lie as [in, out].
  const isTransposed = model.adaptable.some(({ transposed }) => transposed === true);
  const { savedModules = [], fixed = [] } = plan;
  const replaced = plan.replaced.map(tensor);
  const isSaved = ({ name }: NamedTensor) => savedModules.some((module) => isInside(name, module));
  return {
    ...base,
    ...rest,
    targetModules: [...rest.modules.keys()],
    modulesToSave: [...model.headModules, ...savedModules],
    saved: [...model.head.map(({ name }) => tensor(name)), ...replaced.filter(isSaved)],
    biases: replaced.filter((one) => !isSaved(one)),
    embeddings: fixed.map(tensor),
    fields: { ...rest.fields, ...(isTransposed ? { fan_in_fan_out: true } : {}) },
  };
}
