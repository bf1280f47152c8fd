import { readTable } from '../../data/readers/index.js';
import { language } from '../kinds/language.js';
import { fileTask } from './fileTask.js';

/**
 * GSM8K (Cobbe et al., arXiv 2110.14168): word problems of school mathematics, answered in steps and a last line
 * `#### 18`. 7,473 / 1,319 problems. The answer is what `ANS_RE` of the authors' dataset.py finds.
 */
export const gsm8k = fileTask({
  name: 'gsm8k',
  kind: language,
  labels: [],
  columns: { text: 'question', label: 'answer' },
  metrics: ['exact_match', 'log_likelihood'],
  generation: { prompt: 'Question: {text}\nAnswer: ', maxNewTokens: 256, answer: '#### (-?[0-9.,]+)' },
  maxLength: 512,
  folders: ['gsm8k', 'GSM8K'],
  files: { train: ['train.jsonl'], test: ['test.jsonl'] },
  read: readTable,
  hub: { repository: 'openai/gsm8k', config: 'main', splits: { train: 'train', test: 'test' } },
});
