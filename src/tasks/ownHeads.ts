import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { isJsonObject } from '../files/json.js';
import type { LabelPrediction } from './kinds/kind.js';
import { isClass, type OwnHead } from './kinds/ownHead.js';
import { likeliestClass } from './kinds/perRow.js';
import { kinds } from './kinds/registry.js';

declare module './kinds/ownHead.js' {
  interface ModelPredictions {
    /** Token classification: a label and logits for each token. */
    readonly tokens: { readonly tokens: readonly (LabelPrediction & { readonly token: string })[] };
  }
}

/** A class for each token, whatever the classes are of: parts of speech, entities. */
const tokens: OwnHead = {
  fits: (config) => isClass(config, /ForTokenClassification$/),
  taskType: 'TOKEN_CLS',
  reader: ({ model, tokenizer }, { labels }) => ({
    read: (logits, ids) => ({
      tokens: ids.map((id, position) => {
        const values = logits.subarray(position * model.numLabels, (position + 1) * model.numLabels);
        return { token: tokenizer.decode([id]), ...likeliestClass(Array.from(values), labels) };
      }),
    }),
  }),
};

/**
 * The head that a checkpoint was saved with, by `architectures` of its config.json.
 * @throws DiffoError for a checkpoint without a head that diffora can run
 */
export function ownHeadOf({ config, folder }: Checkpoint): OwnHead {
  const heads = [...Object.values(kinds).flatMap(({ ownHead }) => ownHead ?? []), tokens];
  const found = heads.find((head) => head.fits(config));
  if (found !== undefined) return found;
  const architectures = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  const known = architectures.length === 0 ? 'names no architectures' : `names ${architectures.join(', ')}`;
  throw new DiffoError(
    `${folder}/config.json ${known}: no head to predict with. Train one (diffora train), or give an adapter with --adapter.`,
  );
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
