import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import type { Kind, LabelPrediction } from './kinds/kind.js';
import { isClass, type OwnHead, readingEach } from './kinds/ownHead.js';
import { likeliestClass } from './kinds/perRow.js';
import { kinds, usualKind } from './kinds/registry.js';

declare module './kinds/ownHead.js' {
  interface ModelPredictions {
    /** Token classification: a label and logits for each token. */
    readonly tokens: { readonly tokens: readonly (LabelPrediction & { readonly token: string })[] };
  }
}

/** A class for each token, where the classes are no tags of entities: parts of speech. */
const tokens: OwnHead = {
  fits: ({ config }) => isClass(config, /ForTokenClassification$/),
  taskType: 'TOKEN_CLS',
  open: readingEach(({ model, tokenizer }, { labels }) => ({
    read: (logits, ids) => ({
      tokens: ids.map((id, position) => {
        const values = logits.subarray(position * model.numLabels, (position + 1) * model.numLabels);
        return { token: tokenizer.decode([id]), ...likeliestClass(Array.from(values), labels) };
      }),
    }),
  })),
};

/** The head that a checkpoint was saved with, and the kind of task whose rows it reads. */
export interface FoundHead {
  readonly head: OwnHead;
  readonly kind: Kind;
}

/**
 * The head that a checkpoint was saved with, by `architectures` of its config.json.
 * @throws DiffoError for a checkpoint without a head that diffora can run
 */
export function ownHeadOf(checkpoint: Pick<Checkpoint, 'config' | 'folder'>): FoundHead {
  const found = ownHeadIn(checkpoint);
  if (found !== undefined) return found;
  const { config, folder } = checkpoint;
  const architectures = Array.isArray(config.architectures) ? config.architectures.map(String) : [];
  const known = architectures.length === 0 ? 'names no architectures' : `names ${architectures.join(', ')}`;
  throw new DiffoError(
    `${folder}/config.json ${known}: no head to predict with. Train one (diffora train), or give an adapter with --adapter.`,
  );
}

/** The same; undefined where there is none. */
export function ownHeadIn(checkpoint: Pick<Checkpoint, 'config' | 'folder'>): FoundHead | undefined {
  const own = Object.values(kinds).flatMap((kind) => (kind.ownHead === undefined ? [] : { head: kind.ownHead, kind }));
  return [...own, { head: tokens, kind: usualKind }].find(({ head }) => head.fits(checkpoint));
}
