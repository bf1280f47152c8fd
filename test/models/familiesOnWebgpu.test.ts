import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { families } from '../../src/models/registry.js';
import { webgpu } from '../../src/runtime/devices/webgpu.js';
import { folderOf } from '../data/files.js';
import { hasWebgpu } from '../webgpu.js';
import { familiesOnce, stepOnDevice } from './stepOnDevice.js';

const cases = await familiesOnce();
/** Results on the CPU of more elements than a batch has tokens cost more on their way than they are worth. */
const largest = 64;

describe.skipIf(!hasWebgpu)('on WebGPU the training step of', () => {
  let folder: string;
  const left = new Map<string, number>();
  beforeAll(async () => {
    folder = await folderOf({});
  });
  afterAll(() => {
    const listed = [...left].map(([what, count]) => `${what} × ${count}`);
    console.log(`nodes on the CPU in ${cases.length} families: ${listed.join(', ')}`);
  });

  it('every family is among', () => {
    const covered = new Set(cases.map(({ oracle }) => oracle.description.modelType));
    expect(families.filter(({ modelTypes }) => !modelTypes.some((one) => covered.has(one)))).toEqual([]);
  });

  it.each(cases.map(({ name, oracle }) => [name, oracle] as const))(
    '%s gives the loss and gradients of the CPU, which runs nothing large',
    async (name, oracle) => {
      const { worst, onCpu } = await stepOnDevice(name, oracle, webgpu, join(folder, name));
      expect(worst.difference, worst.name).toBeLessThan(1e-4);
      expect(onCpu.filter(({ elements }) => elements > largest)).toEqual([]);
      for (const { operator } of onCpu) left.set(operator, (left.get(operator) ?? 0) + 1);
    },
  );
});
