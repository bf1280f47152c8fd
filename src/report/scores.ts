import type { Scores } from '../metrics/scores.js';
import { formatScore } from './units.js';

/** `matthews 0.312, accuracy 0.706`. */
export function formatScores(scores: Scores): string {
  return Object.entries(scores)
    .map(([name, score]) => `${name} ${formatScore(score)}`)
    .join(', ');
}
