import { commonsenseTask } from './commonsense.js';

/** OpenBookQA (Mihaylov et al., arXiv 1809.02789), without its book of facts. 4,957 / 500 questions. */
export const openbookqa = commonsenseTask({ name: 'openbookqa', folder: 'openbookqa', answer: 'answer[1-5]' });
