import type { LearnedKind } from '../task.js';
import type { KindRules } from './kind.js';
import { labelKind } from './label.js';
import { languageKind } from './language.js';
import { spanKind } from './span.js';

/** Every kind of task that can be learned. */
export const kinds: Readonly<Record<LearnedKind, KindRules>> = {
  classification: labelKind('classification'),
  regression: labelKind('regression'),
  span: spanKind,
  language: languageKind,
};
