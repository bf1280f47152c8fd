import { commonsenseTask } from './commonsense.js';

/** PIQA (Bisk et al., arXiv 1911.11641): which of two ways leads to a goal? Test: 1,838 questions. */
export const piqa = commonsenseTask({ name: 'piqa', folder: 'piqa', answer: 'solution1|solution2' });
