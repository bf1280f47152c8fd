import { readdirSync } from 'node:fs';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Parameter } from '../../src/engine/parameters.js';
import type { ExportSource } from '../../src/export/source.js';
import type { Model, TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import type { Tokenizer } from '../../src/tokenize/index.js';
import { type Oracle, oraclePath, readOracle, type TensorKeys } from '../fixtures.js';
import { parametersOf } from '../models/tinyBert.js';

/** A batch of test/oracle/families.py: transformers' logits, and PEFT's with an adapter. */
export interface FamilyBatch {
  readonly name: string;
  readonly inputIds: string;
  readonly attentionMask: string;
  readonly tokenTypeIds: string;
  readonly rows?: string;
  readonly baseLogits: string;
  readonly logits: string;
}

export interface FamilyTask {
  readonly taskType: TaskType;
  readonly kind: string;
  readonly numLabels: number;
  readonly architecture: string;
  readonly head: TensorKeys;
  readonly batches: readonly FamilyBatch[];
}

export interface FamilyCase {
  readonly lora: { readonly rank: number; readonly alpha: number };
  readonly adapter: TensorKeys;
  readonly tasks: readonly FamilyTask[];
}

export const familyNames = readdirSync(oraclePath('families'))
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  // Models of two halves are refused by every format.
  .filter((name) => !name.endsWith('t5'))
  .sort();

export const readFamily = (name: string): Promise<Oracle<FamilyCase>> => readOracle<FamilyCase>(`families/${name}`);

/** A model of the oracle to be exported: with the head of a task, and with the oracle's adapter where that is asked for. */
export async function familySource(
  name: string,
  oracle: Oracle<FamilyCase>,
  task: FamilyTask,
  { adapted = false }: { readonly adapted?: boolean } = {},
): Promise<ExportSource> {
  const checkpoint = await openCheckpoint(oraclePath('families', name));
  const model = openModel(checkpoint, { taskType: task.taskType, numLabels: task.numLabels });
  const { lora, adapter } = oracle.description;
  const head = parametersOf(oracle.all(task.head));
  const plan = adapted ? loraPlan(lora, { own: model.adaptable, shared: [] }) : noAdapters;
  return sourceOf(model, plan, [...(adapted ? parametersOf(oracle.all(adapter)) : []), ...head]);
}

/** A model with a plan, without a tokenizer: for what is written of the graph alone. */
export function sourceOf(model: Model, plan: ExportSource['plan'], parameters: readonly Parameter[]): ExportSource {
  const { checkpoint } = model;
  const resolved = { folder: checkpoint.folder, source: 'folder' } as unknown as ExportSource['opened']['resolved'];
  const opened = { model, tokenizer: {} as Tokenizer, resolved };
  const { name, config } = checkpoint;
  return { name, baseModel: name, opened, plan, parameters, outputs: 'logits', config };
}
