import { commonsenseTask } from './commonsense.js';

/** BoolQ (Clark et al., arXiv 1905.10044), without its passages: true or false? 9,427 / 3,270 questions. */
export const boolq = commonsenseTask({ name: 'boolq', folder: 'boolq', answer: 'true|false' });
