import type { Objective } from '../src/engine/objective.js';
import { classificationObjective } from '../src/tasks/kinds/classification.js';
import { languageObjective } from '../src/tasks/kinds/language.js';
import { maskedObjective } from '../src/tasks/kinds/maskedLm.js';
import { regressionObjective } from '../src/tasks/kinds/regression.js';
import { spanObjective } from '../src/tasks/kinds/span.js';
import { tokensObjective } from '../src/tasks/kinds/tokens.js';

/** What each kind of head learns, by the names that the fixtures have. */
export const objectives = {
  classification: classificationObjective(),
  regression: regressionObjective,
  tokens: tokensObjective,
  span: spanObjective,
  language: languageObjective,
  masked: maskedObjective,
  seq2seq: languageObjective,
} as const satisfies Readonly<Record<string, Objective>>;
export type ObjectiveName = keyof typeof objectives;
