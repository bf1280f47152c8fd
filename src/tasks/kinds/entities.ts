import * as z from 'zod';
import { placeOfToken } from '../../data/readers/index.js';
import { cellOf, placeOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { IGNORED_LABEL } from '../../engine/labels.js';
import { DiffoError, quoted } from '../../errors.js';
import { openPredictor } from '../../infer/predictLogits.js';
import { type Entity, entitiesOf, entityMetricNames, entityStatistics, tagParts } from '../../metrics/entities.js';
import { illFormed, schemeOf, tagsOf } from '../../metrics/tagSchemes.js';
import type { Offset } from '../../tokenize/index.js';
import { utf16Offset } from '../answers.js';
import { joinedWords, type WordSequence, wordSequences, wordsOf } from '../encoding/words.js';
import { isEmpty, labelIndex, textsOfRow } from '../rows.js';
import type { TaskShape } from '../task.js';
import { defineKind, headSettings, type Kind, type Scored, type TaskAsked } from './kind.js';
import { answeringAs, isClass } from './ownHead.js';
import { labelConfig, likeliestClass, refuseLossChanges } from './perRow.js';
import { labelNames, numberedLabels } from './savedLabels.js';
import { scoredSums } from './scoredSums.js';
import { tokensObjective } from './tokens.js';

declare module '../../data/types.js' {
  interface Example {
    /** Entities: where each word lies in the text, where the row says so. */
    readonly words?: readonly Offset[];
    /** Entities: the tag of each word. */
    readonly tags?: readonly string[];
  }
}

declare module './kind.js' {
  interface Predictions {
    readonly entities: EntitiesPrediction;
  }
}

/** The entities of a text, in its order. */
export interface EntitiesPrediction {
  readonly entities: readonly FoundEntity[];
}

/** A part of a text, with its type. */
export interface FoundEntity {
  readonly text: string;
  readonly type: string;
  /** Where it lies in the text, in UTF-16 units; of a row of tokens, in these with a space between. */
  readonly start: number;
  readonly end: number;
  /** Mean over its words of the probability of their tags. */
  readonly score: number;
}

/** The columns of sentences in words, with a tag each, and of texts, with marked parts. */
const usual = {
  text: ['tokens', 'words', 'text', 'sentence'],
  label: ['tags', 'ner_tags', 'entities', 'spans'],
} as const;

/**
 * Named entities: parts of a text, each of a type. A word's tag is learned at its first token, as transformers' run_ner has
 * it. Tags of every scheme are told in IOB2, which transformers' pipeline reads, unless the task names tags of BIOES.
 */
export const entities = defineKind<EntitiesPrediction>({
  name: 'entities',
  columns: { ...usual, pair: [] },
  keys: ['labels'],
  metrics: () => ({ usual: ['f1', 'precision', 'recall'], further: ['accuracy'], of: 'task of entities' }),

  recognises(table, columns) {
    const rows = table.rows.filter((row) => !isEmpty(cellOf(row, columns.label)));
    const isMarked = (row: Row) => {
      const label = cellOf(row, columns.label);
      if (!Array.isArray(cellOf(row, columns.text))) return spans.safeParse(label).success;
      return Array.isArray(label) && label.every((tag) => typeof tag === 'string' && tagParts(tag) !== undefined);
    };
    const isAny = (row: Row) => (cellOf(row, columns.label) as readonly unknown[]).length > 0;
    return rows.every(isMarked) && rows.some(isAny);
  },
  /** Rows in words and rows of texts may stand for each other where both columns have usual names. */
  inColumns(table, { columns }) {
    const inTable = (name: string, names: readonly string[]) =>
      table.columns.includes(name) || !names.includes(name)
        ? name
        : (names.find((other) => table.columns.includes(other)) ?? name);
    const [text, label] = [inTable(columns.text, usual.text), inTable(columns.label, usual.label)];
    if (text === columns.text && label === columns.label) return table;
    const told = ({ [text]: ofText, [label]: ofLabel, ...others }: Row['values']) => ({
      ...others,
      [columns.text]: ofText,
      ...(ofLabel === undefined ? {} : { [columns.label]: ofLabel }),
    });
    return {
      ...table,
      columns: table.columns.map((name) => (name === text ? columns.text : name === label ? columns.label : name)),
      rows: table.rows.map((row) => ({ ...row, values: told(row.values) })),
    };
  },
  labelsIn(table, columns) {
    const types = table.rows.flatMap((row) => {
      const marked = markedOf({ name: '', kind: entities, labels: [], columns }, row, table.path);
      return marked?.found.map(({ type }) => type) ?? [];
    });
    return ['O', ...[...new Set(types)].sort().flatMap((type) => [`B-${type}`, `I-${type}`])];
  },
  example(task, row, where, path) {
    const cell = cellOf(row, task.columns.text);
    const plain = Array.isArray(cell)
      ? { id: String(row.line), ...joinedWords(cell.map(String)) }
      : textsOfRow({ text: task.columns.text, label: task.columns.label }, row, where);
    const marked = markedOf(task, row, path);
    if (marked === undefined) return plain;
    const { words, found, placeOfWord } = marked;
    const tags = tagsOf(found, words.length, task.labels.some(isOfEnds) ? 'BIOES' : 'IOB2');
    for (const [i, tag] of tags.entries()) {
      if (task.labels.includes(tag)) continue;
      throw new DiffoError(
        `${placeOfWord(i)}: the tag "${tag}" is not one of ${task.name}'s: ${quoted(task.labels)}. ` +
          'What is to be found has to occur in training: add such a sentence there, or remove this one.',
      );
    }
    return { ...plain, words, tags };
  },
  isLabelled: ({ tags }) => tags !== undefined,
  checkTraining(_task, examples, { path }) {
    if (examples.some(({ tags }) => tags!.some((tag) => tag !== 'O'))) return;
    throw new DiffoError(`${path} marks no entity: every tag is O. Give sentences with entities.`);
  },
  remarks(task, table, trained) {
    const rows = table.rows.map((row) => ({ row, tags: tagsIn(row, task) }));
    return [...illFormedRemark(table, rows), ...(trained === undefined ? [] : unlearned(task, table, trained))];
  },
  labelCounts(labels, examples) {
    const types = new Set(labels.flatMap((label) => (label === 'O' ? [] : (tagParts(label)?.type ?? []))));
    const counts = Object.fromEntries([...types].map((type) => [type, 0]));
    for (const { tags = [] } of examples) for (const { type } of entitiesOf(tags)) counts[type]!++;
    return counts;
  },

  taskType: 'TOKEN_CLS',
  outputs: ({ labels }) => labels.length,
  settings: headSettings,
  objective(changes) {
    refuseLossChanges(changes);
    return tokensObjective;
  },
  async encode({ tokenizer }, { labels }, examples, options) {
    const sequences = await wordSequences(tokenizer, examples.map(worded), options);
    const encoded = sequences.map(({ inputIds, tokenTypeIds, firstTokens }, index) => {
      const tokenLabels = new Int32Array(inputIds.length).fill(IGNORED_LABEL);
      for (const [word, token] of firstTokens.entries()) {
        // Of words that share a token, the first.
        if (token < 0 || tokenLabels[token] !== IGNORED_LABEL) continue;
        tokenLabels[token] = labels.indexOf(examples[index]!.tags![word]!);
      }
      return { inputIds, tokenTypeIds, label: undefined, tokenLabels, index };
    });
    const learned = encoded.filter(({ tokenLabels }) => tokenLabels.some((label) => label !== IGNORED_LABEL));
    const left = encoded.length - learned.length;
    if (left > 0) options.warn(`${left} of ${encoded.length} examples have no word, and nothing is learned from them.`);
    return learned;
  },
  async scorer({ tokenizer }, task, examples, options) {
    const expected = examples.map(({ id, tags }) => {
      if (tags !== undefined) return tags;
      throw new DiffoError(`Row ${id} has no tags to score by. Tag or remove it.`);
    });
    const sequences = await wordSequences(tokenizer, examples.map(worded), options);
    const encoded = sequences.map(toPredict);
    return {
      async open({ opened, plan, parameters }, computing) {
        const predictor = await openPredictor(opened.model, plan, parameters, computing);
        return {
          async score({ signal, onDone }) {
            const logits = await predictor.each(encoded, { signal, onBatch: onDone });
            const predicted = sequences.map((one, i) => tagged(task, one, logits[i]!).map(({ tag }) => tag));
            return scored(task, predicted, expected);
          },
          release: predictor.release,
        };
      },
    };
  },
  async answerer({ opened, plan, parameters }, { threads }) {
    const predictor = await openPredictor(opened.model, plan, parameters, { threads });
    return {
      async answer(task, examples, options) {
        const texts = examples.map(worded);
        const sequences = await wordSequences(opened.tokenizer, texts, options);
        const onBatch = options.onDone;
        const logits = await predictor.each(sequences.map(toPredict), { signal: options.signal, onBatch });
        return texts.map(({ text, words }, i): EntitiesPrediction => {
          const tags = tagged(task, sequences[i]!, logits[i]!);
          const found = entitiesOf(tags.map(({ tag }) => tag));
          return {
            entities: found.map(({ type, start: first, end: after }) => {
              const [start, end] = [words[first]![0], words[after - 1]![1]];
              const scores = tags.slice(first, after).map(({ score }) => score);
              const score = scores.reduce((sum, one) => sum + one, 0) / scores.length;
              return { text: text.slice(start, end), type, start, end, score };
            }),
          };
        });
      },
      release: predictor.release,
    };
  },

  line({ entities: found }) {
    const shown = found.map(
      ({ text, type, start, end, score }) => `${text}  ${type}  ${start}-${end}  ${score.toFixed(3)}`,
    );
    return shown.length === 0 ? 'no entity' : shown.join('; ');
  },
  describe: ({ labels }) => ['tags', labels.join(', ')],
  card: ({ labels }) => ({
    pipeline: 'token-classification',
    model: 'AutoModelForTokenClassification',
    outputs: labels.length,
    line: [
      'from transformers import pipeline',
      'model.config.id2label = dict(enumerate(labels))',
      'find = pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="first")',
      'entities = find("a text")',
    ].join('\n'),
  }),
  headConfig: ({ labels }) => labelConfig(labels),
  // PEFT's folders name no tags; the base model's config.json may.
  fromHead: ({ taskType, outputs, base }) =>
    taskType !== 'TOKEN_CLS' || (base !== undefined && !areTags(base.labels ?? []))
      ? undefined
      : {
          labels: base?.labels ?? numberedLabels(outputs),
          columns: { text: 'tokens', label: 'tags' },
          metrics: ['f1', 'precision', 'recall'],
        },

  headCure: (config) =>
    `Only tags of entities can be read: name the outputs so (O, B-PER, I-PER, …) in id2label of ${config}`,

  // Classes that are no tags are answered token by token.
  ownHead: {
    fits: (checkpoint) => isClass(checkpoint.config, /ForTokenClassification$/) && areTags(labelNames(checkpoint)),
    taskType: 'TOKEN_CLS',
    open: answeringAs((): Kind => entities, ['f1']),
  },
});

function areTags(labels: readonly string[]): boolean {
  return labels.length > 0 && labels.every((label) => tagParts(label) !== undefined);
}

/** Parts of a text, as prodigy, spaCy and the hub write them; places count Unicode characters, the end not among them. */
const place = z.union([z.int().nonnegative(), z.bigint().nonnegative().transform(Number)]);
const spans = z.array(
  z.union([
    z.object({ start: place, end: place, type: z.string().min(1) }),
    z
      .object({ start: place, end: place, label: z.string().min(1) })
      .transform(({ start, end, label }) => ({ start, end, type: label })),
    z.tuple([place, place, z.string().min(1)]).transform(([start, end, type]) => ({ start, end, type })),
  ]),
);

/** What a row marks: its words and the entities among them. */
interface Marked {
  readonly words: readonly Offset[];
  readonly found: readonly Entity[];
  /** Where a word is, for messages. */
  readonly placeOfWord: (word: number) => string;
}

/** @returns undefined for a row without tags @throws DiffoError that names the word where it is wrong */
function markedOf(task: TaskShape, row: Row, path: string): Marked | undefined {
  const where = placeOf(path, row);
  const [text, label] = [cellOf(row, task.columns.text), cellOf(row, task.columns.label)];
  if (isEmpty(label)) return undefined;
  if (!Array.isArray(text)) return markedText(textsOfRow(task.columns, row, where).text, label, where);
  if (!Array.isArray(label) || label.length !== text.length) {
    const found = Array.isArray(label) ? `${label.length} tags` : `the tags ${shownCell(label, 40)}`;
    throw new DiffoError(`${where}: ${text.length} tokens and ${found}. Give a list with one tag for each token.`);
  }
  const placeOfWord = (word: number) => placeOfToken(path, row, word);
  const tags = label.map((tag: unknown, word) => tagName(tag, task, placeOfWord(word)));
  return { words: joinedWords(text.map(String)).words, found: entitiesOf(tags), placeOfWord };
}

/** The name of a tag, which may be given by its number where the task names them. */
function tagName(cell: unknown, task: TaskShape, where: string): string {
  if (typeof cell === 'number' || typeof cell === 'bigint') {
    if (task.labels.length > 0) return task.labels[labelIndex(cell, task, where)]!;
    throw new DiffoError(`${where}: the tag is the number ${cell}. Name the tags, from 0, as "labels" of a task file.`);
  }
  if (typeof cell === 'string' && tagParts(cell) !== undefined) return cell;
  throw new DiffoError(
    `${where}: ${shownCell(cell, 40)} is no tag of IOB1, IOB2 or BIOES. Write O, or B-, I-, E- or S- and a type, as in B-PER.`,
  );
}

function markedText(text: string, label: unknown, where: string): Marked {
  const parsed = spans.safeParse(label);
  if (!parsed.success) {
    throw new DiffoError(
      `${where}: the entities are ${shownCell(label, 60)}, which is no list of {"start": 0, "end": 3, "type": "PER"}. ` +
        'Write one, or tokens with a tag for each.',
    );
  }
  const words = wordsOf(text);
  const sorted = [...parsed.data].sort((a, b) => a.start - b.start);
  const found = sorted.map(({ type, start: from, end: to }, i): Entity => {
    const [start, end] = [utf16Offset(text, from), utf16Offset(text, to)];
    const first = words.findIndex((word) => word[0] === start);
    const last = words.findIndex((word) => word[1] === end);
    const shown = `the entity "${text.slice(start, end)}" (${from} to ${to})`;
    if (first < 0 || last < first) {
      throw new DiffoError(
        `${where}: ${shown} does not begin and end with a word. Mark whole words; places count Unicode characters ` +
          'from 0, and the end is the one after the last.',
      );
    }
    if (i > 0 && from < sorted[i - 1]!.end) {
      throw new DiffoError(`${where}: ${shown} overlaps the one before it. A word can be of one entity: remove one.`);
    }
    return { type, start: first, end: last + 1 };
  });
  return { words, found, placeOfWord: () => where };
}

/** True for a tag that only BIOES has. */
function isOfEnds(tag: string): boolean {
  const prefix = tagParts(tag)?.prefix;
  return prefix === 'E' || prefix === 'S';
}

/** The names of a row's tags as they are written; undefined where it has none, or marks parts of a text. */
function tagsIn(row: Row, { labels, columns }: Pick<TaskShape, 'labels' | 'columns'>): string[] | undefined {
  const cell = cellOf(row, columns.label);
  if (!Array.isArray(cell) || !Array.isArray(cellOf(row, columns.text))) return undefined;
  return cell.map((tag: unknown) => (typeof tag === 'string' ? tag : labels[Number(tag)]!));
}

interface TaggedRow {
  readonly row: Row;
  readonly tags: readonly string[] | undefined;
}

/** Says how many sentences break the scheme of their file, and how they are read. */
function illFormedRemark({ path }: Table, rows: readonly TaggedRow[]): string[] {
  const sentences = rows.flatMap(({ row, tags }) => (tags === undefined ? [] : [{ row, tags }]));
  if (sentences.length === 0) return [];
  const scheme = schemeOf(sentences.map(({ tags }) => tags));
  const broken = sentences.flatMap(({ row, tags }) => {
    const at = illFormed(tags, scheme);
    return at === undefined ? [] : [{ row, at, tag: tags[at]!, before: tags[at - 1] }];
  });
  if (broken.length === 0) return [];
  const { row, at, tag, before } = broken[0]!;
  const after = before === undefined ? 'at the beginning' : `after ${before}`;
  return [
    `${path}: ${broken.length} of ${sentences.length} sentences break ${scheme} (${placeOfToken(path, row, at)} first: ${tag} ` +
      `${after}). They are read as conlleval reads them: a tag that cannot go on with an entity begins one.`,
  ];
}

/** Says which tags of a table no row that is learned from has. */
function unlearned(task: TaskShape, table: Table, trained: Table): string[] {
  const tagsOfRows = ({ rows, path }: Table) =>
    rows.flatMap((row) => {
      const marked = markedOf(task, row, path);
      if (marked === undefined) return [];
      return tagsOf(marked.found, marked.words.length, 'IOB2').map((tag, i) => ({
        tag,
        where: () => marked.placeOfWord(i),
      }));
    });
  const known = new Set(tagsOfRows(trained).map(({ tag }) => tag));
  const strange = tagsOfRows(table).filter(({ tag }) => !known.has(tag));
  return [...new Set(strange.map(({ tag }) => tag))].map((name) => {
    const found = strange.filter(({ tag }) => tag === name);
    const words = found.length === 1 ? 'one word' : `${found.length} words`;
    return `${table.path}: ${words} of the tag ${name} (${found[0]!.where()} first), which no sentence in training has, so that it is not learned.`;
  });
}

function worded({ text, words }: Example) {
  return { text, words: words ?? wordsOf(text) };
}

const toPredict = ({ inputIds, tokenTypeIds }: WordSequence, index: number) => ({
  inputIds,
  tokenTypeIds,
  label: undefined,
  index,
});

/** The likeliest tag of each word, and its probability; O where the word has no token. @param logits [tokens, labels] */
function tagged({ labels }: TaskAsked, { firstTokens }: WordSequence, logits: Float32Array) {
  return firstTokens.map((token, word) => {
    if (token < 0) return { tag: 'O', score: 1 };
    const ofToken = logits.subarray(token * labels.length, (token + 1) * labels.length);
    const { label, score } = likeliestClass(Array.from(ofToken), labels);
    // Words that share a token are one of what it is.
    const tag = token === firstTokens[word - 1] ? String(label).replace(/^B/, 'I') : String(label);
    return { tag, score };
  });
}

function scored(
  { metrics }: TaskAsked,
  predicted: readonly (readonly string[])[],
  expected: readonly (readonly string[])[],
): Scored {
  const each = expected.map((tags, i) => entityStatistics(predicted[i]!, tags));
  const found = Object.fromEntries(entityMetricNames.map((name) => [name, each.map((one) => one[name])]));
  return scoredSums(metrics, found, 'entities');
}
