import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { albert } from './albert.js';
import { bert } from './bert.js';
import { deberta } from './deberta.js';
import { distilbert } from './distilbert.js';
import { electra } from './electra.js';
import { gemma2 } from './gemma2.js';
import { gemma3 } from './gemma3.js';
import { gpt2 } from './gpt2.js';
import { gptNeox } from './gptNeox.js';
import { granite } from './granite.js';
import { llama } from './llama.js';
import { mistral } from './mistral.js';
import type { Family, Model, ModelOptions, TaskType } from './model.js';
import { modernBert } from './modernbert.js';
import { mpnet } from './mpnet.js';
import { nomicBert } from './nomicBert.js';
import { olmo2 } from './olmo2.js';
import { openArchitecture } from './openArchitecture.js';
import { opt } from './opt.js';
import { phi3 } from './phi3.js';
import { qwen2 } from './qwen2.js';
import { qwen3 } from './qwen3.js';
import { roberta } from './roberta.js';
import { smollm3 } from './smollm3.js';
import { starcoder2 } from './starcoder2.js';
import { mt5, t5, umt5 } from './t5.js';

/** Every architecture that diffora can build: one line each. */
export const families: readonly Family[] = [
  bert,
  roberta,
  distilbert,
  deberta,
  electra,
  mpnet,
  albert,
  nomicBert,
  modernBert,
  llama,
  mistral,
  qwen2,
  qwen3,
  smollm3,
  olmo2,
  granite,
  gemma2,
  gemma3,
  phi3,
  gpt2,
  gptNeox,
  opt,
  starcoder2,
  t5,
  mt5,
  umt5,
];

/**
 * The model of a checkpoint with a head, by default one that classifies sequences into `numLabels` (1 = regression).
 * @throws DiffoError when the architecture is not known, has no such head, or the weights do not fit it
 */
export function openModel(checkpoint: Checkpoint, options: ModelOptions): Model {
  return openArchitecture(familyOf(checkpoint), checkpoint, options);
}

/** The heads that the checkpoint's architecture can have; every one gives vectors. @throws as {@link openModel} */
export function headsOf(checkpoint: Checkpoint): TaskType[] {
  const heads = Object.keys(familyOf(checkpoint).describe(checkpoint).heads) as TaskType[];
  return [...heads, 'FEATURE_EXTRACTION'];
}

function familyOf({ config, folder }: Checkpoint): Family {
  const modelType = config.model_type;
  const family = families.find((one) => one.modelTypes.includes(String(modelType)));
  if (family !== undefined) return family;
  const known = families.flatMap((one) => one.modelTypes).join(', ');
  const what = modelType === undefined ? 'names no model_type' : `has model_type "${String(modelType)}"`;
  throw new DiffoError(`${folder}/config.json ${what}; diffora can build: ${known}.`);
}
