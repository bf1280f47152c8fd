import { commonsenseTask } from './commonsense.js';

/** HellaSwag (Zellers et al., arXiv 1905.07830): how does it go on? Test: 10,042 beginnings. */
export const hellaswag = commonsenseTask({ name: 'hellaswag', folder: 'hellaswag', answer: 'ending[1-4]' });
