import * as z from 'zod';
import { commonsenseTask } from './commonsense.js';
import { numberedFrom, originalForm, worded } from './multipleChoice.js';

/**
 * HellaSwag (Zellers et al., arXiv 1905.07830): how does it go on? 39,905 / 10,042 beginnings.
 *
 * Of LLM-Adapters' file only excerpts were at hand; that nothing else of a row is changed there was seen of one from
 * ActivityNet, and not of those from WikiHow.
 */
export const hellaswag = commonsenseTask({
  name: 'hellaswag',
  folder: 'hellaswag',
  answer: 'ending[1-4]',
  original: originalForm(
    { activity_label: z.string(), ctx: z.string(), endings: z.array(z.string()), label: numberedFrom(0) },
    ({ activity_label: activity, ctx, endings, label }) => ({
      text: `${activity}: ${ctx}`,
      choices: endings,
      right: label,
    }),
  ),
  instruction: worded({ ask: 'Please choose the correct ending to complete the given sentence', word: 'Ending' }),
  hub: { repository: 'Rowan/hellaswag', config: 'default', splits: { train: 'train', test: 'validation' } },
});
