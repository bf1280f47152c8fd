import { DiffoError } from '../../errors.js';
import { readTable } from '../readers/index.js';
import { type TaskShape, tableToExamples } from '../rows.js';
import type { Example } from '../types.js';
import { fileTask } from './fileTask.js';

const SHAPE: TaskShape = { name: 'e2e', kind: 'language', labels: [], columns: { text: 'mr', label: 'ref' } };

/**
 * E2E NLG (Novikova et al., arXiv 1706.09254): a restaurant's attributes told in a sentence or two. 42,061 pairs to train
 * on; 547 / 630 sets of attributes, each with all its texts, to score on (4,672 / 4,693 pairs). Between the attributes
 * and the text stands ` || `, where LoRA's code has an end token.
 */
export const e2e = fileTask({
  ...SHAPE,
  metrics: ['bleu', 'nist', 'rouge_l'],
  generation: { prompt: '{text} || ', maxNewTokens: 96 },
  maxLength: 128,
  folders: ['e2e', 'E2E'],
  files: { train: ['trainset.csv'], dev: ['devset.csv'], test: ['testset_w_refs.csv'] },
  read: async (path, split) => {
    const rows = tableToExamples(await readTable(path), SHAPE).map((example) => linearised(example, path));
    return split === 'train' ? rows : grouped(rows);
  },
});

/** Names that attributes have in the data of LoRA (Hu et al., arXiv 2106.09685) and prefix tuning, where not the set's. */
const NAMES: Readonly<Record<string, string>> = {
  eatType: 'Type',
  priceRange: 'price',
  familyFriendly: 'family friendly',
};

/** `name[Blue Spice], eatType[pub]` as `name : Blue Spice | Type : pub`, and the text without spaces around it. */
function linearised({ id, text, references }: Example, path: string): Example {
  const attributes = text.split(/(?<=\]),/).map((attribute) => {
    const [, name, value] = /^\s*([\w ]+)\[([^[\]]+)\]\s*$/.exec(attribute) ?? [];
    if (name !== undefined && value !== undefined) return `${NAMES[name] ?? name} : ${value}`;
    throw new DiffoError(`${path}, line ${id}: "${attribute.trim()}" is not of the form name[value]. Mend the row.`);
  });
  return { id, text: attributes.join(' | '), references: references!.map((each) => each.trim()) };
}

/** Rows of the same attributes as one example with all their texts, in the order of first rows. */
function grouped(rows: readonly Example[]): Example[] {
  const groups = new Map<string, Example & { references: string[] }>();
  for (const { id, text, references = [] } of rows) {
    const group = groups.get(text);
    if (group) group.references.push(...references);
    else groups.set(text, { id, text, references: [...references] });
  }
  return [...groups.values()];
}
