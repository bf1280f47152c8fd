import * as z from 'zod';
import { commonsenseTask } from './commonsense.js';
import { originalForm } from './multipleChoice.js';

/** BoolQ (Clark et al., arXiv 1905.10044), without its passages: true or false? 9,427 / 3,270 questions. */
export const boolq = commonsenseTask({
  name: 'boolq',
  folder: 'boolq',
  answer: 'true|false',
  original: originalForm({ question: z.string(), answer: z.boolean().nullish() }, ({ question, answer }) => ({
    text: question,
    choices: ['true', 'false'],
    right: answer === true ? 0 : answer === false ? 1 : undefined,
  })),
  instruction: ({ text, choices }) =>
    `Please answer the following question with true or false, question: ${text}?\n\nAnswer format: ${choices.join('/')}`,
  hub: { repository: 'google/boolq', config: 'default', splits: { train: 'train', test: 'validation' } },
});
