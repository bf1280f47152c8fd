import { type FoldedWeights, foldedWeights } from '../adapters/foldedWeights.js';
import type { AdapterPlan } from '../adapters/plan.js';
import type { TaskFile } from '../artifacts/taskFile.js';
import type { Parameter } from '../engine/parameters.js';
import type { OpenedModel } from '../models/loading/withHead.js';

/** What is to be exported: a model with its head, or with an adapter and the head that was learned with it. */
export interface ExportSource {
  /** The folder of the adapter or the name of the model, for messages. */
  readonly name: string;
  /** The base model, as the hub or this machine calls it. */
  readonly baseModel: string;
  readonly opened: OpenedModel;
  /** `noAdapters` for a model as it is. */
  readonly plan: AdapterPlan;
  /** Values of the plan's tensors and of a head that was trained. */
  readonly parameters: readonly Parameter[];
  /** What an adapter was trained for. */
  readonly task?: TaskFile | undefined;
  /** What the file gives: the head's logits, or the hidden states of an encoder that has no head. */
  readonly outputs: 'logits' | 'states';
  /** config.json with the head, as transformers reads it. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** The tensors of a source with its adapter in them. */
export function foldedSource({ opened, plan, parameters }: ExportSource): FoldedWeights {
  return foldedWeights(plan, opened.model, new Map(parameters.map((one) => [one.name, one.values])));
}
