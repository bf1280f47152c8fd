import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { families } from '../../src/models/registry.js';
import { REPOSITORY } from '../shared.js';

const page = await readFile(join(REPOSITORY, 'docs/popular-models.md'), 'utf8');
const [built, missing] = page
  .split('\nNot built:\n')
  .map((part) => [...part.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, type]) => type!));
const types = families.flatMap(({ modelTypes }) => modelTypes);

it('lists every type of model that is built, and no other as built', () => {
  expect(built!.toSorted()).toEqual(types.toSorted());
});

it('lists as not built what is not', () => {
  expect(missing!.length).toBeGreaterThan(5);
  expect(missing!.filter((type) => types.includes(type))).toEqual([]);
});
