import { fileURLToPath } from 'node:url';
import { mailToText } from '../../data/mail/mailToText.js';
import { groupNearDuplicates } from '../../data/nearDuplicates.js';
import { cacheFolder, findSpamCorpus, readSpamCorpus } from '../../data/spamCorpus.js';
import type { Example, SplitName } from '../../data/types.js';
import { permutation, randomStream } from '../../random.js';
import { classification } from '../kinds/classification.js';
import { splitOf } from '../splitOf.js';
import type { TaskFactory } from '../taskOptions.js';

/** Characters kept of a mail: its beginning tells enough, and tokenising costs time. */
const MAX_CHARACTERS = 2000;
/** The split is part of the task, like GLUE's, so it never follows `--seed`. */
const SPLIT_SEED = 20021010;
const SHARES = { test: 0.1, dev: 0.1 } as const;

/** A labelled text, before it is known which part it belongs to. */
type Text = Example & { readonly label: number };

/**
 * The demo's task: is a mail spam? The SpamAssassin public corpus (4,150 ham, 1,896 spam, of 2002), as `Subject. body`.
 * About 80 / 10 / 10 % train / dev / test, with near duplicates on one side.
 */
export const spam: TaskFactory = ({ warn }) => {
  let parts: Promise<Parts> | undefined;
  const shape = { kind: classification, labels: ['ham', 'spam'] };
  return {
    ...shape,
    name: 'spam',
    columns: { text: 'text', label: 'label' },
    metrics: ['matthews', 'accuracy', 'f1'],
    splits: ['train', 'dev', 'test'],
    load: async (split) => {
      parts ??= loadParts(warn);
      const { source, examples } = await parts;
      return splitOf(shape, split, examples[split], source);
    },
  };
};

interface Parts {
  readonly source: string;
  readonly examples: Readonly<Record<SplitName, readonly Example[]>>;
}

async function loadParts(warn: (message: string) => void): Promise<Parts> {
  const searchFrom = [fileURLToPath(import.meta.url), `${process.cwd()}/`];
  const source = await findSpamCorpus({ searchFrom, cacheDir: cacheFolder(), warn });
  const mails = await readSpamCorpus(source);
  const texts = mails.map(({ id, mail, label }): Text => ({ id, text: mailToText(mail, MAX_CHARACTERS), label }));
  return { source, examples: splitByGroup(texts, groupNearDuplicates(texts.map(({ text }) => text))) };
}

/**
 * Deals groups out at random, those of each label (of a group's first text) for themselves: to the test part until it
 * has its share of that label, then to the dev part, the rest to training. Order within a part is that of `texts`.
 *
 * @param groups for each text the position of the first text of its group
 */
export function splitByGroup(
  texts: readonly Text[],
  groups: ArrayLike<number>,
): Readonly<Record<SplitName, readonly Example[]>> {
  const members = new Map<number, number[]>();
  for (let i = 0; i < texts.length; i++) {
    const list = members.get(groups[i]!);
    if (list) list.push(i);
    else members.set(groups[i]!, [i]);
  }
  const partOf = new Map<number, SplitName>();
  for (const label of [...new Set(texts.map((text) => text.label))].sort()) {
    const heads = [...members.keys()].filter((head) => texts[head]!.label === label);
    const total = heads.reduce((sum, head) => sum + members.get(head)!.length, 0);
    const room = { test: Math.round(SHARES.test * total), dev: Math.round(SHARES.dev * total) };
    for (const i of permutation(heads.length, randomStream(SPLIT_SEED, 'spam split', label))) {
      const size = members.get(heads[i]!)!.length;
      const part = size <= room.test ? 'test' : size <= room.dev ? 'dev' : 'train';
      if (part !== 'train') room[part] -= size;
      partOf.set(heads[i]!, part);
    }
  }
  const examplesOf = (part: SplitName) => texts.filter((_, i) => partOf.get(groups[i]!) === part);
  return { train: examplesOf('train'), dev: examplesOf('dev'), test: examplesOf('test') };
}
