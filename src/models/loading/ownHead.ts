import type { Checkpoint } from '../../checkpoint/types.js';
import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/json.js';
import type { ModelOptions, TaskType } from '../model.js';

/** Ends of transformers' class names, and what the head of such a class gives. */
const byEnd: readonly (readonly [end: RegExp, taskType: TaskType])[] = [
  [/ForSequenceClassification$/, 'SEQ_CLS'],
  [/ForTokenClassification$/, 'TOKEN_CLS'],
  [/ForQuestionAnswering$/, 'QUESTION_ANS'],
  [/(ForCausalLM|LMHeadModel)$/, 'CAUSAL_LM'],
];

/**
 * The head that a checkpoint was saved with, by `architectures` of its config.json.
 * @throws DiffoError for a checkpoint without a head that diffora can run
 */
export function ownHead({ config, folder }: Checkpoint): ModelOptions & { readonly taskType: TaskType } {
  const architectures = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  const taskType = byEnd.find(([end]) => architectures.some((name) => end.test(name)))?.[1];
  if (taskType === undefined) {
    const known = architectures.length === 0 ? 'names no architectures' : `names ${architectures.join(', ')}`;
    throw new DiffoError(
      `${folder}/config.json ${known}: no head to predict with. Train one (diffora train), or give an adapter with --adapter.`,
    );
  }
  return { taskType, numLabels: labelNames(config).length, head: 'none' };
}

/** Names of the classes in the order of the logits: `id2label`, else LABEL_0 and LABEL_1 as transformers has it. */
export function labelNames(config: Checkpoint['config']): string[] {
  const { id2label, num_labels: count } = config;
  if (isJsonObject(id2label)) {
    return Object.entries(id2label)
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, name]) => String(name));
  }
  return Array.from({ length: typeof count === 'number' ? count : 2 }, (_, i) => `LABEL_${i}`);
}
