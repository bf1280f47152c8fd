import * as z from 'zod';
import { commonsenseTask } from './commonsense.js';
import { numberedFrom, originalForm, worded } from './multipleChoice.js';

/**
 * WinoGrande (Sakaguchi et al., arXiv 1907.10641): who is meant? 40,398 / 1,267 sentences.
 *
 * LLM-Adapters' train.json has 63,238 rows, which is the sum of all six sizes of the set (160 + 640 + 2,558 + 10,234 +
 * 40,398, and 9,248 debiased). All are parts of the largest, so here that is taken once: what is held out of repeated
 * rows would be trained on.
 */
export const winogrande = commonsenseTask({
  name: 'winogrande',
  folder: 'winogrande',
  answer: 'option[12]',
  original: originalForm(
    { sentence: z.string(), option1: z.string(), option2: z.string(), answer: numberedFrom(1) },
    ({ sentence, option1, option2, answer }) => ({ text: sentence, choices: [option1, option2], right: answer }),
  ),
  instruction: worded({
    ask: 'Please choose the correct answer to fill in the blank to complete the given sentence',
    word: 'Option',
    end: ' ',
  }),
  hub: { repository: 'allenai/winogrande', config: 'winogrande_xl', splits: { train: 'train', test: 'validation' } },
});
