import { readTable } from '../../data/readers/index.js';
import { placeOf, type Row, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { language } from '../kinds/language.js';
import { fileTask } from './fileTask.js';

/** Columns of the set's own files, and of the hub's. */
const COLUMNS = { text: 'mr', label: 'ref' };
const HUB_COLUMNS = { text: 'meaning_representation', label: 'human_reference' };

/**
 * E2E NLG (Novikova et al., arXiv 1706.09254): a restaurant's attributes told in a sentence or two. 42,061 pairs to train
 * on; 547 / 630 sets of attributes, each with all its texts, to score on (4,672 / 4,693 pairs). Between the attributes
 * and the text stands ` || `, where LoRA's code has an end token.
 */
export const e2e = fileTask({
  name: 'e2e',
  kind: language,
  labels: [],
  columns: COLUMNS,
  metrics: ['bleu', 'nist', 'rouge_l'],
  generation: { prompt: '{text} || ', maxNewTokens: 96 },
  maxLength: 128,
  folders: ['e2e', 'E2E'],
  files: { train: ['trainset.csv'], dev: ['devset.csv'], test: ['testset_w_refs.csv'] },
  read: readTable,
  hub: {
    repository: 'tuetschek/e2e_nlg',
    config: 'default',
    splits: { train: 'train', dev: 'validation', test: 'test' },
  },
  inColumns,
  toScore: grouped,
});

/** Attributes linearised, texts without spaces around them. */
function inColumns(table: Table): Table {
  const { text, label } = table.columns.includes(HUB_COLUMNS.text) ? HUB_COLUMNS : COLUMNS;
  if (!table.columns.includes(text)) return table;
  const rename = (name: string) => (name === text ? COLUMNS.text : name === label ? COLUMNS.label : name);
  const rows = table.rows.map((row): Row => {
    const { [text]: attributes, [label]: told, ...others } = row.values;
    const { path } = table;
    const mr = typeof attributes === 'string' ? linearised(attributes, placeOf(path, row)) : attributes;
    return { ...row, values: { ...others, mr, ref: typeof told === 'string' ? told.trim() : told } };
  });
  return { ...table, columns: table.columns.map(rename), rows };
}

/** Names that attributes have in the data of LoRA (Hu et al., arXiv 2106.09685) and prefix tuning, where not the set's. */
const NAMES: Readonly<Record<string, string>> = {
  eatType: 'Type',
  priceRange: 'price',
  familyFriendly: 'family friendly',
};

/** `name[Blue Spice], eatType[pub]` as `name : Blue Spice | Type : pub`; what has that form already, as it is. */
function linearised(text: string, where: string): string {
  if (/^[\w ]+ : [^|[\]]+( \| [\w ]+ : [^|[\]]+)*$/.test(text)) return text;
  const attributes = text.split(/(?<=\]),/).map((attribute) => {
    const [, name, value] = /^\s*([\w ]+)\[([^[\]]+)\]\s*$/.exec(attribute) ?? [];
    if (name !== undefined && value !== undefined)
      return `${Object.hasOwn(NAMES, name) ? NAMES[name] : name} : ${value}`;
    throw new DiffoError(
      `${where}: "${attribute.trim()}" is not of the form name[value]. Write attributes as ` +
        '"name[Blue Spice], eatType[pub]", or as they are learned, "name : Blue Spice | Type : pub".',
    );
  });
  return attributes.join(' | ');
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
