import { expect, it } from 'vitest';
import { deviceOfRank } from '../../src/runtime/devices/deviceOfRank.js';

const taken = (asked: string | undefined, size: number, cards: number) =>
  Promise.all(Array.from({ length: size }, (_, rank) => deviceOfRank(asked, { rank, size }, async () => cards)));

it('gives the ranks of a machine its cards in turns', async () => {
  expect(await taken('cuda', 4, 4)).toEqual(['cuda', 'cuda:1', 'cuda:2', 'cuda:3']);
  expect(await taken('cuda', 4, 2)).toEqual(['cuda', 'cuda:1', 'cuda', 'cuda:1']);
  expect(await taken('cuda', 2, 1)).toEqual(['cuda', 'cuda']);
  // None is found: the device says itself what is missing.
  expect(await taken('cuda', 2, 0)).toEqual(['cuda', 'cuda']);
});

it('leaves what else is asked for as it is', async () => {
  for (const asked of ['cuda:1', 'cpu', 'webgpu', 'auto', undefined]) {
    expect(await taken(asked, 2, 4)).toEqual([asked, asked]);
  }
  expect(await deviceOfRank('cuda', undefined, async () => 4)).toBe('cuda');
});
