import * as z from 'zod';
import { commonsenseTask } from './commonsense.js';
import { lettered, letteredQuestion, originalForm, worded } from './multipleChoice.js';

/** OpenBookQA (Mihaylov et al., arXiv 1809.02789), without its book of facts. 4,957 / 500 questions. */
export const openbookqa = commonsenseTask({
  name: 'openbookqa',
  folder: 'openbookqa',
  answer: 'answer[1-5]',
  original: originalForm({ question_stem: z.string(), ...lettered }, (row) => letteredQuestion(row.question_stem, row)),
  instruction: worded({ ask: 'Please choose the correct answer to the question', word: 'Answer' }),
  hub: { repository: 'allenai/openbookqa', config: 'main', splits: { train: 'train', test: 'test' } },
});
