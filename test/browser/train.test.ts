import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as inBrowser from '../../src/browser/index.js';
import { loadAdapter, loadModel } from '../../src/index.js';
import { launchChromium } from '../chromium.js';
import { temporaryFolder } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { reviews } from '../library/reviews.js';
import { canRun, openPage, openSite, type Site } from './page.js';
import { expectNear, inNode, inPage } from './trained.js';

declare const diffora: typeof inBrowser;

const tiny = oraclePath('tiny-bert');
const texts = ['the cat sat', 'no, thanks 3'];

describe.skipIf(!canRun)('training in chromium, by WebAssembly', async () => {
  const folder = await temporaryFolder();
  let site: Site;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const said: string[] = [];
  beforeAll(async () => {
    site = await openSite({ tiny, plain: tiny }, ['plain']);
    browser = await launchChromium();
    context = await browser.newContext();
    page = await openPage(context, site, said);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await folder.remove();
  });

  const url = () => `${site.address}tiny/`;
  const shared = { rank: 2, batchSize: 8, maxLength: 16, lr: 0.01 };

  it('has the losses of Node to 1e-5, its predictions, and an adapter that Node reads', async () => {
    const settings = { ...shared, method: 'lora' as const, maxSteps: 6 };
    const expected = await inNode(tiny, { rows: reviews, settings, texts });
    const found = await inPage(page, { url: url(), device: 'wasm', rows: reviews, settings, texts });
    expectNear(found.losses, expected.losses, 1e-5);
    expect(found.scores).toEqual(expected.scores);
    expect(found.predictions.map(({ label }) => label)).toEqual(
      expected.predictions.map((one) => 'label' in one && one.label),
    );
    const adapter = folder.path('adapter');
    for (const [name, base64] of found.files) {
      const path = join(adapter, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, Buffer.from(base64, 'base64'));
    }
    await using read = await loadAdapter(adapter, { model: await loadModel(tiny), threads: 1 });
    for (const [i, one] of (await read.predict(texts)).entries()) {
      expect('score' in one && one.score).toBeCloseTo(found.predictions[i]!.score, 5);
    }
    expect(said).toEqual([]);
  });

  it('learns the matrix that Node learns, to 1e-4, and shows it while it forms', async () => {
    const settings = { ...shared, searchSteps: 5, maxSteps: 4 };
    const expected = await inNode(tiny, { rows: reviews, settings, texts });
    const found = await inPage(page, { url: url(), device: 'wasm', rows: reviews, settings, texts });
    const values = found.matrix!.values.flat();
    expectNear(values, expected.dam!.values.flat(), 1e-4);
    expect(found.matrix!.gamma).toEqual(expected.dam!.gamma);
    expect(found.frames).toBe(6);
    expectNear(found.losses, expected.losses, 1e-5);
    expect(said).toEqual([]);
  });

  it('reads weights in part, once: what was read is kept for the next tab', async () => {
    const weights = site.asked.filter(({ path }) => path.endsWith('model.safetensors'));
    expect(weights.length).toBeGreaterThan(2);
    expect(weights.every(({ range }) => range !== undefined)).toBe(true);
    const before = site.asked.length;
    const again = await openPage(context, site, said);
    await inPage(again, {
      url: url(),
      device: 'wasm',
      rows: reviews,
      settings: { ...shared, method: 'lora', maxSteps: 1 },
      texts,
    });
    const since = site.asked.slice(before).filter(({ path }) => path.endsWith('model.safetensors'));
    expect(since.map(({ range }) => range)).toEqual(['bytes=0-0']);
    await again.close();
  });

  it('forgets what was kept, and says where a server sends files as wholes', async () => {
    const before = site.asked.length;
    const notes = await page.evaluate(
      async ({ address }) => {
        await diffora.clearCache();
        const notes: string[] = [];
        const onNote = (sentence: string) => notes.push(sentence);
        await diffora.loadModel({ url: `${address}tiny/`, device: 'wasm', onNote });
        await diffora.loadModel({ url: `${address}plain/`, device: 'wasm', onNote });
        return notes;
      },
      { address: site.address },
    );
    expect(notes).toEqual([expect.stringMatching(/plain\/model\.safetensors: the server sends files as wholes/)]);
    const asked = site.asked.slice(before).filter(({ path }) => path === '/tiny/model.safetensors');
    // A byte for size and version, the length of the header, and the header.
    expect(asked.map(({ bytes }) => bytes).slice(0, 2)).toEqual([1, 64]);
    expect(asked).toHaveLength(3);
  });

  it('lets the tab go on between steps, and ends within a step after an abort', async () => {
    const result = await page.evaluate(
      async ({ address, rows, settings }) => {
        const model = await diffora.loadModel({ url: address, device: 'wasm' });
        const abort = new AbortController();
        let [steps, timers] = [0, 0];
        const timer = setInterval(() => timers++, 1);
        const training = diffora.train(model, diffora.taskFromExamples(rows), settings, {
          signal: abort.signal,
          onStep: () => {
            steps++;
            if (steps === 3) setTimeout(() => abort.abort(new Error('enough')));
          },
        });
        const message = await training.then(String, (error: Error) => error.message);
        clearInterval(timer);
        return { message, steps, timers };
      },
      { address: url(), rows: reviews, settings: { ...shared, method: 'lora' as const, maxSteps: 50 } },
    );
    expect(result.message).toBe('enough');
    expect(result.steps).toBeLessThan(6);
    expect(result.timers).toBeGreaterThan(1);
  });

  it('says what is wrong in a sentence', async () => {
    const message = (settings: object, options: object) =>
      page.evaluate(
        async ({ address, rows, given, loading }) => {
          try {
            const model = await diffora.loadModel({ url: address, device: 'wasm', ...loading });
            await diffora.train(model, diffora.taskFromExamples(rows), given);
            return 'nothing';
          } catch (error) {
            return (error as Error).message;
          }
        },
        { address: url(), rows: reviews, given: settings, loading: options },
      );
    expect(await message({ rnk: 2 }, {})).toMatch(/settings: .*"rnk".*rank/);
    expect(await message({ epochs: 'three' }, {})).toMatch(/settings: epochs is "three"; it takes a number/);
    expect(await message({}, { url: `${site.address}nowhere/` })).toMatch(/nowhere\/ has no config\.json/);
    expect(await message({}, { device: 'webgpu' })).toMatch(/no WebGPU.*wasm/);
    expect(await message({}, { device: 'cuda' })).toMatch(/"cuda" is no device of a browser/);
    expect(await message({}, { url: undefined })).toMatch(/a url or files/);
  });

  it('reads a model from files that were chosen', async () => {
    const losses = await page.evaluate(
      async ({ address, rows, settings }) => {
        const names = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
        const files = await Promise.all(
          names.map(async (name) => Object.assign(await (await fetch(address + name)).blob(), { name })),
        );
        const model = await diffora.loadModel({ files, device: 'wasm', name: 'tiny' });
        const adapter = await diffora.train(model, diffora.taskFromExamples(rows), settings);
        await adapter.close();
        return adapter.steps.map(({ loss }) => loss);
      },
      { address: url(), rows: reviews, settings: { ...shared, method: 'lora' as const, maxSteps: 2 } },
    );
    const expected = await inNode(tiny, {
      rows: reviews,
      settings: { ...shared, method: 'lora', maxSteps: 2 },
      texts: [],
    });
    expectNear(losses, expected.losses, 1e-5);
  });
});
