import * as z from 'zod';
import { commonsenseTask } from './commonsense.js';
import { lettered, letteredQuestion, originalForm, worded } from './multipleChoice.js';

function arcTask(name: string, part: string) {
  return commonsenseTask({
    name,
    folder: part,
    answer: 'answer[1-5]',
    original: originalForm({ question: z.string(), ...lettered }, (row) => letteredQuestion(row.question, row)),
    instruction: worded({ ask: 'Please choose the correct answer to the question', word: 'Answer' }),
    hub: { repository: 'allenai/ai2_arc', config: part, splits: { train: 'train', test: 'test' } },
  });
}

/** ARC (Clark et al., arXiv 1803.05457), easy part: questions of school science. 2,251 / 2,376 questions. */
export const arcEasy = arcTask('arc_easy', 'ARC-Easy');

/** ARC, challenge part. 1,119 / 1,172 questions. */
export const arcChallenge = arcTask('arc_challenge', 'ARC-Challenge');
