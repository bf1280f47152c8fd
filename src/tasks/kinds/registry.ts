import type { KnownKinds } from '../columns.js';
import { causalLm } from './causalLm.js';
import { chat } from './chat.js';
import { classification } from './classification.js';
import { embedding } from './embedding.js';
import { entities } from './entities.js';
import type { Kind } from './kind.js';
import { language } from './language.js';
import { maskedLm } from './maskedLm.js';
import { multiLabel } from './multiLabel.js';
import { preference } from './preference.js';
import { regression } from './regression.js';
import { reranker } from './reranker.js';
import { seq2seq } from './seq2seq.js';
import { span } from './span.js';

const byName = {
  classification,
  regression,
  span,
  language,
  entities,
  'multi-label': multiLabel,
  preference,
  chat,
  reranker,
  embedding,
  seq2seq,
  'causal-lm': causalLm,
  'masked-lm': maskedLm,
} as const satisfies Readonly<Record<string, Kind>>;

/** Name of a kind of task, as `kind:` in a task file has it. */
export type KindName = keyof typeof byName;
/** Every kind of task that can be learned, by name. */
export const kinds: Readonly<Record<KindName, Kind>> = byName;
/** Names of all kinds. */
export const kindNames = Object.keys(byName) as KindName[];

/** What a task is where neither a name nor its rows say otherwise. */
export const usualKind: Kind = classification;

/** All kinds, for rows that may be of any. */
export const allKinds: KnownKinds = { all: Object.values(kinds), usual: usualKind };
