import { commonsenseTask } from './commonsense.js';

/** ARC (Clark et al., arXiv 1803.05457), challenge part. 1,119 / 1,172 questions. */
export const arcChallenge = commonsenseTask({ name: 'arc_challenge', folder: 'ARC-Challenge', answer: 'answer[1-5]' });
