/** What SQuAD v2.0 knows of a question when it chooses between a text and no answer. */
export interface AnswerableScores {
  /** Exact match of the best text that is not empty, 0 or 1. */
  readonly exact: number;
  /** F1 of that text, 0..1. */
  readonly f1: number;
  /** The larger, the less the model believes that there is an answer. */
  readonly noAnswerScore: number;
  /** Whether the question has a right answer. */
  readonly hasAnswer: boolean;
  /** True where the model has no such text, so that it answers nothing at any threshold. */
  readonly empty?: boolean;
}

/**
 * The scores of each question when no answer is given where `noAnswerScore` is above the threshold
 * (`apply_no_ans_threshold` of SQuAD's evaluation of v2.0): 1 there if the question has no answer, else 0.
 */
export function applyNoAnswerThreshold(
  questions: readonly AnswerableScores[],
  threshold: number,
): { readonly exact: number; readonly f1: number }[] {
  return questions.map(({ exact, f1, noAnswerScore, hasAnswer }) => {
    if (noAnswerScore <= threshold) return { exact, f1 };
    return hasAnswer ? { exact: 0, f1: 0 } : { exact: 1, f1: 1 };
  });
}

/**
 * The threshold with the best mean score and that mean, 0..1 (`find_best_thresh` of SQuAD's evaluation of v2.0; the
 * script gives percents). Its oddities are kept: where no answer to every question is best, the threshold is 0 even if
 * scores lie below it; and of equal scores the first may be answered and the next not, which no threshold does.
 * NaN without questions.
 */
export function bestNoAnswerThreshold(
  questions: readonly AnswerableScores[],
  metric: 'exact' | 'f1',
): { readonly score: number; readonly threshold: number } {
  let current = questions.filter(({ hasAnswer }) => !hasAnswer).length;
  let best = { score: current, threshold: 0 };
  for (const question of [...questions].sort((a, b) => a.noAnswerScore - b.noAnswerScore)) {
    if (question.hasAnswer) current += question[metric];
    else if (!question.empty) current -= 1;
    if (current > best.score) best = { score: current, threshold: question.noAnswerScore };
  }
  return { score: best.score / questions.length, threshold: best.threshold };
}
