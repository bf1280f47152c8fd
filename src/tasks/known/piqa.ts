import * as z from 'zod';
import { commonsenseTask } from './commonsense.js';
import { numberedFrom, originalForm, worded } from './multipleChoice.js';

/**
 * PIQA (Bisk et al., arXiv 1911.11641): which of two ways leads to a goal? 16,113 / 1,838 questions.
 *
 * Not seen on the hub itself but in others' code: that its Parquet files lie in a folder `plain_text`.
 */
export const piqa = commonsenseTask({
  name: 'piqa',
  folder: 'piqa',
  answer: 'solution1|solution2',
  original: originalForm(
    { goal: z.string(), sol1: z.string(), sol2: z.string(), label: numberedFrom(0) },
    ({ goal, sol1, sol2, label }) => ({ text: goal, choices: [sol1, sol2], right: label }),
  ),
  instruction: worded({
    ask: 'Please choose the correct solution to the question',
    word: 'Solution',
    between: '\n\n',
  }),
  hub: { repository: 'ybisk/piqa', config: 'plain_text', splits: { train: 'train', test: 'validation' } },
});
