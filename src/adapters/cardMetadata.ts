import { stringify } from 'yaml';

/** Rows that a model was scored on. */
export interface ScoredRows {
  /** As a person calls them, such as `cola`. */
  readonly name: string;
  readonly split: string;
  /** Where they are on the hub, for a data set that is there. */
  readonly hub?: { readonly repository: string; readonly config: string } | undefined;
  /** Values by metric; those that are no number are left out. */
  readonly scores: Readonly<Record<string, number>>;
}

/** What the hub reads of a model card. */
export interface CardMetadata {
  readonly title: string;
  /** A hub name, or a path, which the hub is not told. */
  readonly baseModel: string;
  /** What became of the base, where the hub would not find out. */
  readonly relation?: 'adapter' | 'finetune' | 'quantized';
  readonly library: string;
  /** The hub's name of what the model is for. */
  readonly pipeline: string | undefined;
  readonly tags: readonly string[];
  readonly scored?: ScoredRows | undefined;
}

/** True for a name that the hub may have; a path of this machine is none. */
export function isHubName(name: string): boolean {
  return /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(name);
}

/** A hub name as a link; a local path is none. */
export function linked(baseModel: string): string {
  return isHubName(baseModel) ? `[${baseModel}](https://huggingface.co/${baseModel})` : `\`${baseModel}\``;
}

/**
 * The front matter of a model card, without its dashes: fields of huggingface_hub's ModelCardData, and scores as the hub's
 * `model-index` has them. The hub refuses a card whose base model is a path.
 */
export function cardMetadata(metadata: CardMetadata): string {
  const { baseModel, relation, library, pipeline, tags, scored } = metadata;
  return stringify({
    ...(isHubName(baseModel) ? { base_model: baseModel } : {}),
    ...(isHubName(baseModel) && relation !== undefined ? { base_model_relation: relation } : {}),
    library_name: library,
    ...(pipeline === undefined ? {} : { pipeline_tag: pipeline }),
    tags,
    ...(scored?.hub === undefined ? {} : { datasets: [scored.hub.repository] }),
    ...modelIndex(metadata),
  });
}

function modelIndex({ title, pipeline, scored }: CardMetadata): object {
  const scores = Object.entries(scored?.scores ?? {}).filter(([, value]) => Number.isFinite(value));
  if (scored === undefined || pipeline === undefined || scores.length === 0) return {};
  const { name, split, hub } = scored;
  const dataset = hub === undefined ? { name, type: name } : { name, type: hub.repository, config: hub.config };
  const metrics = scores.map(([metric, value]) => ({ type: hubMetrics[metric] ?? metric, value, name: metric }));
  return {
    'model-index': [{ name: title, results: [{ task: { type: pipeline }, dataset: { ...dataset, split }, metrics }] }],
  };
}

/** Metrics that the hub (evaluate) calls otherwise. */
const hubMetrics: Readonly<Record<string, string>> = {
  matthews: 'matthews_correlation',
  pearson: 'pearsonr',
  spearman: 'spearmanr',
  rouge_l: 'rouge',
};
