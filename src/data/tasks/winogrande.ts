import { commonsenseTask } from './commonsense.js';

/** WinoGrande (Sakaguchi et al., arXiv 1907.10641): who is meant? Test: 1,267 sentences. */
export const winogrande = commonsenseTask({ name: 'winogrande', folder: 'winogrande', answer: 'option[12]' });
