import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refuseChangedConfig } from '../../src/artifacts/checkpoints/identity.js';
import { versions } from '../../src/artifacts/runRecord.js';
import { flatConfig, parseTrainConfig } from '../../src/settings/config.js';
import { oraclePath } from '../fixtures.js';
import { hasWebgpu } from '../webgpu.js';
import { diffora, quickRun, resultOf, temporaryFolder, tinyModel, writeReviews } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
});
afterAll(() => folder.remove());

async function succeed(...args: string[]) {
  const outcome = await diffora(...args);
  expect(outcome.code, outcome.stderr).toBe(0);
  return outcome;
}
/** Of one search from values alike: fewer programs to be compiled. */
const quickSearch = '--search-steps 3 --search-team 1 --dam-init zero --max-steps 2'.split(' ');
const readJson = async (...parts: string[]) => JSON.parse(await readFile(folder.path(...parts), 'utf8'));

describe('--device', () => {
  it('refuses what is no device by what it takes', async () => {
    const { code, stderr } = await diffora(
      'train',
      ...quickRun('cola'),
      '--device',
      'gpu',
      '--output',
      folder.path('x'),
    );
    expect(code).toBe(2);
    expect(stderr).toContain('--device gpu: it takes one of cpu, auto, cuda, webgpu or a text such as cuda:1.');
  });

  it('says what to install for a device that is not there, and leaves nothing', async () => {
    const flags = quickRun(folder.path('reviews.csv'), '--device', 'cuda:99');
    const { code, stderr } = await diffora('train', ...flags, '--output', folder.path('none'));
    expect(code).toBe(1);
    expect(stderr).toContain('The device cuda:99 is not there');
    expect(stderr.replace(/\s+/g, ' ')).toContain('of the Python package onnxruntime-gpu');
    expect(existsSync(folder.path('none'))).toBe(false);
  });

  it('stands in run.json, whether it was given or not', async () => {
    await succeed(
      'train',
      ...quickRun(folder.path('reviews.csv'), '--method', 'head'),
      '--output',
      folder.path('usual'),
    );
    expect(await readJson('usual', 'run.json')).toMatchObject({ device: 'cpu' });
  });
});

it('a run that goes on elsewhere says that bits may differ, and one that says cpu where nothing was said does not', () => {
  const config = (device?: string) => parseTrainConfig({ task: 'cola', threads: 1, device }, 'test');
  const told = (before: string | undefined, after: string | undefined) => {
    const lines: string[] = [];
    const manifest = { command: 'train' as const, versions: versions(), config: { ...flatConfig(config(before)) } };
    refuseChangedConfig({ manifest, path: 'step-1' }, 'train', config(after), (line) => lines.push(line));
    return lines;
  };
  expect(told(undefined, 'webgpu')).toEqual([
    'The run was started on the device cpu and goes on with webgpu: bits may differ from those of a run without a break.',
  ]);
  expect(told('webgpu', undefined)).toHaveLength(1);
  expect(told(undefined, 'cpu')).toEqual([]);
  expect(told('webgpu', 'webgpu')).toEqual([]);
});

it('lists the devices of the machine, each with what a trial of it gave', async () => {
  const { devices } = resultOf((await succeed('devices', '--json')).stdout);
  const [cpu, ...others] = devices;
  expect(cpu).toMatchObject({ device: 'cpu', isThere: true, difference: 0 });
  expect(others.map((one: { device: string }) => one.device)).toEqual(expect.arrayContaining(['cuda', 'webgpu']));
  for (const one of others) expect(one.isThere ? one.difference : one.reason).toBeDefined();
  expect(others.at(-1).isThere).toBe(hasWebgpu);
});

describe.skipIf(!hasWebgpu)('on WebGPU', () => {
  it('DiffoRA finds the matrix of the CPU, and its adapter predicts the same on both', async () => {
    const flags = quickRun(folder.path('reviews.csv'), ...quickSearch);
    await succeed('train', ...flags, '--output', folder.path('cpu'));
    await succeed('train', ...flags, '--device', 'webgpu', '--output', folder.path('webgpu'));
    const [expected, found] = [await readJson('cpu', 'dam.json'), await readJson('webgpu', 'dam.json')];
    expect(found.gamma).toEqual(expected.gamma);
    const pairs = expected.values.flat().map((value: number, i: number) => [value, found.values.flat()[i]]);
    for (const [value, other] of pairs) expect(Math.abs(value - other)).toBeLessThan(1e-4);
    const record = await readJson('webgpu', 'run.json');
    expect(record).toMatchObject({ device: 'webgpu', config: { device: 'webgpu' } });
    expect(record.scores).toEqual((await readJson('cpu', 'run.json')).scores);

    const predicted = async (device: string) => {
      const { stdout } = await succeed(
        'predict',
        '--adapter',
        folder.path('webgpu'),
        '--text',
        'the cat',
        '--device',
        device,
        '--json',
      );
      return resultOf(stdout);
    };
    const [there, here] = [await predicted('webgpu'), await predicted('cpu')];
    expect(there.label).toBe(here.label);
    expect(there.logits.map((one: number, i: number) => Math.abs(one - here.logits[i]) < 1e-4)).toEqual([true, true]);
  });

  it('generate writes what it writes on the CPU', async () => {
    const asked = [
      '--model',
      oraclePath('checkpoints', 'tiny.gguf'),
      '--prompt',
      'abc',
      '--max-new-tokens',
      '6',
      '--json',
    ];
    const [there, here] = [
      resultOf((await succeed('generate', ...asked, '--device', 'webgpu')).stdout),
      resultOf((await succeed('generate', ...asked)).stdout),
    ];
    expect(there.text).toBe(here.text);
    expect(there.tokens).toBe(here.tokens);
  });

  it('compare gives the scores of the CPU', async () => {
    const comparison = (device: string) => ({
      models: [tinyModel],
      tasks: [{ task: folder.path('reviews.csv'), textColumn: 'review', labelColumn: 'stars' }],
      budget: 1400,
      seeds: [1],
      learningRates: [1e-2],
      methods: [{ method: 'diffora' }],
      settings: { maxSteps: 2, batchSize: 8, maxLength: 16, searchSteps: 2, searchTeam: 1, damInit: 'zero', device },
    });
    const runs = [];
    for (const device of ['webgpu', 'cpu']) {
      const file = folder.path(`${device}.yaml`);
      await writeFile(file, JSON.stringify(comparison(device)));
      await succeed('compare', file, '--output', folder.path(`compared-${device}`), '--threads', '1');
      runs.push(JSON.parse((await readFile(folder.path(`compared-${device}`, 'records.jsonl'), 'utf8')).trim()));
    }
    const [there, here] = runs;
    expect(there.scores).toEqual(here.scores);
    for (const [i, value] of here.dam.values.flat().entries()) {
      expect(Math.abs(value - there.dam.values.flat()[i])).toBeLessThan(1e-4);
    }
  });
});
