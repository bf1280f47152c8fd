import type { Checkpoint } from '../../checkpoint/types.js';
import { DiffoError, quoted } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';

/** What the outputs of a sequence classifier are, by the `problem_type` of transformers' config.json. */
const problemTypes = {
  regression: 'scores',
  single_label_classification: 'oneLabel',
  multi_label_classification: 'anyLabels',
} as const;
export type OutputsAre = (typeof problemTypes)[keyof typeof problemTypes];

/** What config.json says; undefined where it does not. @throws DiffoError for a type that transformers does not have */
export function outputsAre({ config, folder }: Pick<Checkpoint, 'config' | 'folder'>): OutputsAre | undefined {
  const { problem_type: given } = config;
  if (given === undefined || given === null) return undefined;
  const known = Object.entries(problemTypes).find(([name]) => name === given);
  if (known !== undefined) return known[1];
  throw new DiffoError(
    `${folder}/config.json: problem_type ${JSON.stringify(given)} is none of ${quoted(Object.keys(problemTypes))}. Correct it or leave it out.`,
  );
}

/**
 * Names of the classes in the order of the logits, as `id2label` has them; undefined where there is none. Where
 * `num_labels` says another number, transformers goes by that and forgets the names.
 */
export function namedLabels({ config, folder }: Pick<Checkpoint, 'config' | 'folder'>): string[] | undefined {
  const { id2label, num_labels: count } = config;
  if (id2label === undefined || id2label === null) return undefined;
  const names = isJsonObject(id2label) ? Object.entries(id2label).sort(([a], [b]) => Number(a) - Number(b)) : [];
  if (names.length === 0 || names.some(([id], i) => Number(id) !== i)) {
    throw new DiffoError(
      `${folder}/config.json: id2label has to name the outputs "0", "1", … without a gap. Correct it, or fetch the file again.`,
    );
  }
  if (typeof count === 'number' && count !== names.length) return numberedLabels(count);
  return names.map(([, name]) => String(name));
}

/** The same; LABEL_0, LABEL_1, … where nobody names them, two where nobody says how many, as transformers has it. */
export function labelNames(checkpoint: Pick<Checkpoint, 'config' | 'folder'>): string[] {
  const { num_labels: count } = checkpoint.config;
  return namedLabels(checkpoint) ?? numberedLabels(typeof count === 'number' ? count : 2);
}

/** LABEL_0, LABEL_1, … */
export function numberedLabels(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `LABEL_${i}`);
}
