import { join } from 'node:path';
import { mergedTensors } from '../adapters/mergedTensors.js';
import { mergedKey, refuseNotFinite, titleOf } from '../artifacts/adapterFolder.js';
import { type AdapterOptions, openAdapted } from '../artifacts/openAdapted.js';
import { type WritableTensor, writeSafetensors } from '../checkpoint/safetensors-write.js';
import { DiffoError } from '../errors.js';
import { withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import { copyInto } from '../files/copyInto.js';

export interface MergeOptions extends AdapterOptions {
  readonly output: string;
  readonly overwrite?: boolean;
}

/**
 * `diffora merge`: a plain checkpoint with what the adapter makes of W0 in its place (LoRA: W0 + (alpha / rank) · B A),
 * and the head, that transformers' class for its kind of task loads.
 * @throws DiffoError when the base already has an adapter folded in, no weight can hold it, or one is not finite
 */
export async function mergeAdapter(options: MergeOptions): Promise<{ output: string; tensors: number }> {
  const { output, overwrite } = options;
  const existing = overwrite ? 'replace' : 'refuse';
  return { output, tensors: await withOutputFolder(output, (folder) => mergeInto(folder, options), { existing }) };
}

/** @returns the number of tensors */
async function mergeInto(folder: string, options: MergeOptions): Promise<number> {
  const { signal } = options;
  const { loaded, opened, plan, parameters } = await openAdapted(options);
  const { model, tokenizer } = opened;
  const { checkpoint } = model;
  const earlier = checkpoint.metadata[mergedKey];
  if (earlier !== undefined) {
    throw new DiffoError(
      `${checkpoint.name} already has an adapter folded in (${earlier.slice(0, 12)}…). Merge into the plain base model ${loaded.baseModel}.`,
    );
  }
  const byName = new Map(parameters.map((one) => [one.name, one]));
  if (plan.endSubLayer !== undefined) {
    throw new DiffoError(
      `${loaded.folder}: ${titleOf(plan.method)} put layers of their own into the model, which no plain checkpoint has. Predict with --adapter.`,
    );
  }
  const values = (name: string) => byName.get(name)!.values;
  const updated = new Map<string, Float32Array>(plan.replaced.map((name) => [name, values(name)]));
  for (const placement of plan.placements) {
    signal?.throwIfAborted();
    for (const [name, merged] of await mergedTensors(plan, model, placement, values)) updated.set(name, merged);
  }
  const tensors: WritableTensor[] = [...model.backbone].map(([name, spelling]) => {
    const stored = checkpoint.tensors.get(spelling)!;
    const data = updated.get(name);
    return data === undefined ? { ...stored, name } : { name, shape: stored.shape, data };
  });
  for (const { name } of model.head) {
    const { shape, values } = byName.get(name)!;
    tensors.push({ name, shape, data: values });
  }
  refuseNotFinite(
    loaded.folder,
    [...updated].map(([name, values]) => ({ name, values })),
  );

  const metadata = { format: 'pt', [mergedKey]: loaded.sha256 };
  await writeSafetensors(join(folder, 'model.safetensors'), tensors, metadata, signal);
  const config = JSON.stringify(mergedConfig(opened, loaded.task), null, 2);
  await writeFileAtomic(join(folder, 'config.json'), `${config}\n`);
  await copyInto(folder, tokenizer.files);
  return tensors.length;
}

/** The base's config.json with its head: class name, and what the kind of task says, such as names of classes. */
function mergedConfig(
  { model }: Awaited<ReturnType<typeof openAdapted>>['opened'],
  task: Awaited<ReturnType<typeof openAdapted>>['loaded']['task'],
) {
  const { _name_or_path: _, ...config } = model.checkpoint.config;
  return { ...config, architectures: [model.architecture], ...task.kind.headConfig(task) };
}
