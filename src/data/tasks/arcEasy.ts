import { commonsenseTask } from './commonsense.js';

/** ARC (Clark et al., arXiv 1803.05457), easy part: questions of school science. 2,251 / 2,376 questions. */
export const arcEasy = commonsenseTask({ name: 'arc_easy', folder: 'ARC-Easy', answer: 'answer[1-5]' });
