import { type Entity, partsOf, type TagParts } from './entities.js';

/**
 * How tags mark entities. `IOB2`: `B` begins each. `IOB1` (Ramshaw and Marcus 1995): `I` begins them too, and `B` only one
 * that follows another of its type. `BIOES`: `B` begins and `E` ends those of several tokens, `S` is one of a single token.
 */
export type TagScheme = 'IOB1' | 'IOB2' | 'BIOES';

/**
 * The scheme of sequences of tags. Where `E` or `S` occurs it is BIOES; else the one of IOB2 and IOB1 that fewer sequences
 * break, of equals IOB2.
 *
 * @throws DiffoError for a tag of no scheme
 */
export function schemeOf(sequences: readonly (readonly string[])[]): TagScheme {
  const hasEnds = sequences.some((tags) => partsOf(tags).some(({ prefix }) => prefix === 'E' || prefix === 'S'));
  if (hasEnds) return 'BIOES';
  const broken = (scheme: TagScheme) => sequences.filter((tags) => illFormed(tags, scheme) !== undefined).length;
  return broken('IOB1') < broken('IOB2') ? 'IOB1' : 'IOB2';
}

/**
 * The first position, from 0, whose tag cannot stand where it does: an `I` of IOB2 without its `B`, a `B` of IOB1 that
 * follows no entity of its type, in BIOES what follows an entity that has not ended (or its last tag, where the sequence
 * ends) and what goes on with none. Undefined for a sequence that keeps the scheme.
 *
 * @throws DiffoError for a tag of no scheme
 */
export function illFormed(tags: readonly string[], scheme: TagScheme): number | undefined {
  const parts = partsOf(tags);
  const fits = rules[scheme];
  const position = parts.findIndex((tag, i) => !fits(parts[i - 1] ?? outside, tag));
  if (position >= 0) return position;
  const last = parts.at(-1);
  return last !== undefined && !fits(last, outside) ? parts.length - 1 : undefined;
}

/** Tags of a sequence of `length` tokens with these entities, in IOB2 or BIOES. */
export function tagsOf(entities: readonly Entity[], length: number, scheme: Exclude<TagScheme, 'IOB1'>): string[] {
  const tags = new Array<string>(length).fill('O');
  for (const { type, start, end } of entities) {
    for (let i = start; i < end; i++) tags[i] = `${i === start ? 'B' : 'I'}-${type}`;
    if (scheme === 'BIOES') tags[end - 1] = `${end - start === 1 ? 'S' : 'E'}-${type}`;
  }
  return tags;
}

const outside: TagParts = { prefix: 'O', type: '_' };

/** Whether a tag may follow the one before it. */
const rules: Readonly<Record<TagScheme, (before: TagParts, tag: TagParts) => boolean>> = {
  IOB1: (before, tag) => tag.prefix === 'O' || tag.prefix === 'I' || (tag.prefix === 'B' && goesOn(before, tag)),
  IOB2: (before, tag) => tag.prefix === 'O' || tag.prefix === 'B' || (tag.prefix === 'I' && goesOn(before, tag)),
  BIOES: (before, tag) => {
    const isInside = tag.prefix === 'I' || tag.prefix === 'E';
    return isInside === isOpen(before) && (!isInside || before.type === tag.type);
  },
};

/** True where a tag before is of an entity of the same type, so that `I` goes on with it, and `B` of IOB1 parts from it. */
function goesOn(before: TagParts, tag: TagParts): boolean {
  return isOpen(before) && before.type === tag.type;
}

function isOpen({ prefix }: TagParts): boolean {
  return prefix === 'B' || prefix === 'I';
}
