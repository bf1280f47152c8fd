import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { WritableTensor } from '../../src/checkpoint/safetensorsLayout.js';
import type { TaskType } from '../../src/models/model.js';
import { letterModel } from '../cli/run.js';
import { parametersOf } from '../models/tinyBert.js';
import { readFamily } from './familySources.js';

/** A checkpoint of the family oracle with a saved head and a tokenizer of letters. */
export async function headedModel(folder: string, name: string, taskType: TaskType): Promise<string> {
  const model = await letterModel(name, folder);
  const oracle = await readFamily(name);
  const task = oracle.description.tasks.find((one) => one.taskType === taskType)!;
  const { tensors, metadata } = await openCheckpoint(model);
  const kept: WritableTensor[] = [];
  const head = parametersOf(oracle.all(task.head));
  const names = new Set(head.map((one) => one.name));
  for (const tensor of tensors.values()) {
    if (!names.has(tensor.name)) kept.push({ name: tensor.name, shape: tensor.shape, data: await readTensor(tensor) });
  }
  for (const { name: tensor, shape, values } of head) kept.push({ name: tensor, shape, data: values });
  await writeSafetensors(join(model, 'model.safetensors'), kept, metadata);
  const path = join(model, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  const labels = Object.fromEntries(Array.from({ length: task.numLabels }, (_, i) => [String(i), `CLASS_${i}`]));
  await writeFile(path, JSON.stringify({ ...config, architectures: [task.architecture], id2label: labels }));
  return model;
}
