import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OpenedModel } from '../../src/models/loading/withHead.js';
import { silent } from '../../src/reporter.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { sequenceLength } from '../../src/tasks/splits.js';
import type { Task } from '../../src/tasks/task.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { REPOSITORY } from '../shared.js';

const tokenizer = {
  ...(await loadTokenizer(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'))),
  modelMaxLength: 4096,
  eosTokenId: 3,
};
const model = { maxLength: 1000, checkpoint: { name: 'tiny', folder: 'tiny' } };
const opened = { model, tokenizer } as unknown as OpenedModel;
const written = {
  name: 'mine',
  kind: kinds.language,
  generation: { prompt: '{text}', maxNewTokens: 4 },
} as unknown as Task;

/** Texts of two words, with [CLS] and [SEP]; answers of `words` tokens, and the end. */
const used = (words: readonly number[]) => ({
  split: { name: 'train', examples: [], source: 'file', hash: '', labelCounts: {} } as const,
  examples: words.map((count, i) => ({
    id: String(i),
    text: 'the man',
    references: [Array(count).fill('good').join(' ')],
  })),
});

async function lengthOf(task: Task, words: readonly number[], asked?: number) {
  const said: string[] = [];
  const reporter = { ...silent, info: (line: string) => said.push(line) };
  return { length: await sequenceLength(opened, asked, task, used(words), { reporter }), said };
}

describe('the longest sequence of a run that does not say', () => {
  it('of texts to be written is what all but one in a hundred need, and is said', async () => {
    const words = [...Array(198).fill(10), 400, 700];
    expect(await lengthOf(written, words)).toEqual({ length: 128, said: [] });
    const long = [...Array(197).fill(10), 400, 700, 700];
    expect(await lengthOf(written, long)).toEqual({
      length: 4 + 400 + 1,
      said: ['Sequences of mine: up to 405 tokens, as 99% of the training examples need (--max-length changes it)'],
    });
    expect((await lengthOf(written, [400])).length).toBe(405);
  });

  it('is not more than the model allows', async () => {
    expect(await lengthOf(written, [1200])).toEqual({
      length: 1000,
      said: ['Sequences of mine: up to 1000 tokens, all that tiny allows (--max-length changes it)'],
    });
  });

  it('is that of the task where that says, and 128 for other kinds', async () => {
    expect(await lengthOf({ ...written, maxLength: 512 }, [700])).toEqual({ length: 512, said: [] });
    const classes = { ...written, kind: kinds.classification };
    expect(await lengthOf(classes, [700])).toEqual({ length: 128, said: [] });
    expect(await lengthOf(written, [700], 64)).toEqual({ length: 64, said: [] });
  });
});
