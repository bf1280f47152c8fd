import { classification } from '../../src/tasks/kinds/classification.js';
import type { Task } from '../../src/tasks/task.js';

/** A task of three classes whose rows a test makes itself. */
export const lettersTask: Task = {
  name: 'letters',
  kind: classification,
  labels: ['a', 'b', 'c'],
  columns: { text: 'text', label: 'label' },
  metrics: ['accuracy'],
  splits: [],
  load: () => Promise.reject(new Error('there are no rows')),
};
