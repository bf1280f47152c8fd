import { DiffoError } from '../errors.js';
import { scoreOfSums, sumsOf } from './text/sums.js';

/** A tag in its parts: `B-PER` is the prefix `B` and the type `PER`. A tag without a type has the type `_`. */
export interface TagParts {
  readonly prefix: 'B' | 'I' | 'O' | 'E' | 'S';
  readonly type: string;
}

/** Tokens `start` to `end`, the latter not among them, that are one entity. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** Metrics of entities. `accuracy` is that of tags. */
export const entityMetricNames = ['precision', 'recall', 'f1', 'accuracy'] as const;
export type EntityMetricName = (typeof entityMetricNames)[number];

const outside: TagParts = { prefix: 'O', type: '_' };

/** A tag of IOB1, IOB2 or BIOES in its parts: `O`, or `B`, `I`, `E` or `S`, alone or with `-` and a type; else undefined. */
export function tagParts(tag: string): TagParts | undefined {
  if (tag === 'O') return outside;
  const prefix = tag[0];
  if (prefix !== 'B' && prefix !== 'I' && prefix !== 'E' && prefix !== 'S') return undefined;
  if (tag.length > 1 && tag[1] !== '-') return undefined;
  return { prefix, type: tag.slice(2) || '_' };
}

/** @throws DiffoError for a tag of no scheme */
export function partsOf(tags: readonly string[]): TagParts[] {
  return tags.map((tag) => {
    const parts = tagParts(tag);
    if (parts !== undefined) return parts;
    throw new DiffoError(
      `"${tag}" is no tag of IOB1, IOB2 or BIOES. Write O, or B-, I-, E- or S- and a type, as in B-PER.`,
    );
  });
}

/**
 * The entities of a sequence of tags, as seqeval's `get_entities` (1.2.2, `suffix=False`) and so conlleval.pl find them, in
 * IOB1, IOB2 and BIOES alike. What breaks a scheme is read generously: an `I` or `E` after `O`, or after another type,
 * begins an entity; what no `E` ends goes as far as its type does.
 *
 * @throws DiffoError for a tag that {@link tagParts} does not know, where seqeval warns and goes by the first letter
 */
export function entitiesOf(tags: readonly string[]): Entity[] {
  const entities: Entity[] = [];
  let before = outside;
  let start = 0;
  for (const [i, tag] of [...partsOf(tags), outside].entries()) {
    if (endsBetween(before, tag)) entities.push({ type: before.type, start, end: i });
    if (startsBetween(before, tag)) start = i;
    before = tag;
  }
  return entities;
}

function endsBetween(before: TagParts, tag: TagParts): boolean {
  if (before.prefix === 'O') return false;
  if (before.prefix === 'E' || before.prefix === 'S' || before.type !== tag.type) return true;
  return tag.prefix === 'B' || tag.prefix === 'S' || tag.prefix === 'O';
}

function startsBetween(before: TagParts, tag: TagParts): boolean {
  if (tag.prefix === 'O') return false;
  if (tag.prefix === 'B' || tag.prefix === 'S' || before.type !== tag.type) return true;
  return before.prefix === 'O' || before.prefix === 'E' || before.prefix === 'S';
}

/**
 * What an example adds to a metric of entities; sums over examples decide it (`scoreOfSums`). Two numbers, a share:
 * `precision` [right, predicted entities], `recall` [right, expected], `f1` [2 · right, predicted + expected], `accuracy`
 * [right, all tokens]. An entity is right that has type, start and end.
 *
 * @param predicted tags of the example's tokens
 * @param expected as many
 * @throws DiffoError as {@link entitiesOf}
 */
export function entityStatistics(
  predicted: readonly string[],
  expected: readonly string[],
): Record<EntityMetricName, readonly number[]> {
  if (predicted.length !== expected.length) {
    throw new Error(`${predicted.length} predicted tags do not fit ${expected.length} expected`);
  }
  const [found, wanted] = [entitiesOf(predicted), entitiesOf(expected)];
  // Entities of one sequence do not overlap, so that a start has one at most.
  const byStart = new Map(wanted.map((entity) => [entity.start, entity]));
  const right = found.filter(({ type, start, end }) => {
    const other = byStart.get(start);
    return other !== undefined && other.end === end && other.type === type;
  }).length;
  return {
    precision: [right, found.length],
    recall: [right, wanted.length],
    f1: [2 * right, found.length + wanted.length],
    accuracy: [expected.filter((tag, i) => tag === predicted[i]).length, expected.length],
  };
}

/**
 * Micro precision, recall and F1 of entities, and accuracy of tags, as seqeval's `precision_score`, `recall_score`,
 * `f1_score` and `accuracy_score` (1.2.2): counts of all examples and types together. 0 where there is nothing to count;
 * the accuracy of no tokens is not a number.
 *
 * @param predicted [examples] tags of each example's tokens
 * @param expected [examples] as many
 * @throws DiffoError as {@link entitiesOf}
 */
export function entityScores(
  predicted: readonly (readonly string[])[],
  expected: readonly (readonly string[])[],
): Record<EntityMetricName, number> {
  if (predicted.length !== expected.length) {
    throw new Error(`${predicted.length} predicted sequences do not fit ${expected.length} expected`);
  }
  const each = expected.map((tags, i) => entityStatistics(predicted[i]!, tags));
  const score = (name: EntityMetricName) => {
    const sums = sumsOf([[0, 0], ...each.map((one) => one[name])]);
    return scoreOfSums(name, sums, each.length);
  };
  return { precision: score('precision'), recall: score('recall'), f1: score('f1'), accuracy: score('accuracy') };
}
