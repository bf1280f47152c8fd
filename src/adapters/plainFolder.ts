import { join } from 'node:path';
import * as z from 'zod';
import { readSafetensorsHeader, readTensor } from '../checkpoint/safetensors.js';
import { writeSafetensors } from '../checkpoint/safetensors-write.js';
import type { NamedTensor } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { type OutputFolderOptions, withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import { faultOf } from '../files/faults.js';
import { readJsonAs } from '../files/json.js';
import { taskTypes } from '../models/model.js';
import { plainFormatOf, plainMethodNames } from './registry.js';

/** diffora_adapter.json: an adapter of a method that PEFT does not have (docs/formats.md). */
const plainConfigSchema = z
  .strictObject({
    format: z.literal('diffora-adapter/1'),
    method: z.enum(plainMethodNames),
    baseModel: z.string(),
    revision: z.string().optional(),
    taskType: z.enum(taskTypes),
    /** What the method needs to be built again, as its own schema has it. */
    settings: z.record(z.string(), z.unknown()),
    /** Names of the tensors in the file: those that the method brings, those that stand for the base's, and the head. */
    adapter: z.array(z.string()),
    replaced: z.array(z.string()),
    head: z.array(z.string()),
  })
  .check(({ value: { method, settings }, issues }) => {
    const schema = plainFormatOf(method).settings;
    for (const issue of schema.safeParse(settings).error?.issues ?? []) {
      issues.push({ code: 'custom', message: `settings: ${faultOf(issue, schema, settings)}`, input: settings });
    }
  });
type PlainConfig = z.output<typeof plainConfigSchema>;

/** An adapter in diffora's own format: names are those of transformers and of the method, without a prefix. */
export interface PlainAdapter extends Omit<PlainConfig, 'format' | 'adapter' | 'replaced' | 'head'> {
  readonly adapter: readonly NamedTensor[];
  readonly replaced: readonly NamedTensor[];
  readonly head: readonly NamedTensor[];
}

export const PLAIN_CONFIG_FILE = 'diffora_adapter.json';
const weightsFile = 'adapter_model.safetensors';

/** Writes the folder, whole or not at all. `card` is the text of README.md. */
export async function writePlainAdapter(
  folder: string,
  adapter: PlainAdapter,
  options: OutputFolderOptions & { readonly card: string },
): Promise<void> {
  const names = (tensors: readonly NamedTensor[]) => tensors.map(({ name }) => name);
  const config: PlainConfig = {
    format: 'diffora-adapter/1',
    ...adapter,
    adapter: names(adapter.adapter),
    replaced: names(adapter.replaced),
    head: names(adapter.head),
  };
  await withOutputFolder(
    folder,
    async (partial) => {
      const tensors = [...adapter.adapter, ...adapter.replaced, ...adapter.head];
      await writeSafetensors(join(partial, weightsFile), tensors, { format: 'pt' });
      await writeFileAtomic(join(partial, PLAIN_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
      await writeFileAtomic(join(partial, 'README.md'), options.card);
    },
    options,
  );
}

/** Reads the folder. @throws DiffoError when configuration and tensors do not match */
export async function readPlainAdapter(folder: string): Promise<PlainAdapter> {
  const { format: _, ...config } = await readJsonAs(join(folder, PLAIN_CONFIG_FILE), plainConfigSchema);
  const file = join(folder, weightsFile);
  const { tensors } = await readSafetensorsHeader(file);
  const listed = new Set([...config.adapter, ...config.replaced, ...config.head]);
  const missing = [...listed].filter((name) => !tensors.has(name));
  const left = [...tensors.keys()].filter((name) => !listed.has(name));
  if (missing.length > 0 || left.length > 0) {
    const what = [
      ...missing.slice(0, 4).map((name) => `${name} is missing`),
      ...left.slice(0, 4).map((name) => `${name} is left over`),
    ].join('; ');
    throw new DiffoError(
      `${file} does not hold what ${PLAIN_CONFIG_FILE} lists: ${what} (${listed.size - missing.length} of ${listed.size} match). Save the adapter again.`,
    );
  }
  const load = (names: readonly string[]) =>
    Promise.all(
      names.map(async (name) => {
        const tensor = tensors.get(name)!;
        return { name, shape: tensor.shape, data: await readTensor(tensor) };
      }),
    );
  return {
    ...config,
    adapter: await load(config.adapter),
    replaced: await load(config.replaced),
    head: await load(config.head),
  };
}
