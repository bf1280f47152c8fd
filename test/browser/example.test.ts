import { cp, mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keptPipModel } from '../../src/checkpoint/pip.js';
import { listStoredEntries } from '../../src/checkpoint/zip.js';
import { loadAdapter, loadModel } from '../../src/index.js';
import { violations } from '../board/browser.js';
import { launchChromium } from '../chromium.js';
import { temporaryFolder } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { reviews } from '../library/reviews.js';
import { REPOSITORY } from '../shared.js';
import { canRun, openSite, runtimeFolder, type Site } from './page.js';

const tiny = oraclePath('tiny-bert');

describe.skipIf(!canRun)('examples/browser-train in chromium', async () => {
  const folder = await temporaryFolder();
  let site: Site;
  let browser: Browser;
  beforeAll(async () => {
    // The example as it is built once `npm install` has been run in it.
    const root = folder.path('example');
    await cp(join(REPOSITORY, 'examples', 'browser-train'), root, { recursive: true });
    const alias = [
      { find: 'diffora/browser', replacement: join(REPOSITORY, 'src/browser/index.ts') },
      { find: /^onnxruntime-web\/(\w+)$/, replacement: `${runtimeFolder}/ort.$1.bundle.min.mjs` },
    ];
    await build({ root, logLevel: 'error', resolve: { alias } });
    const minilm = await keptPipModel(process.env);
    site = await openSite({ tiny, example: join(root, 'dist'), ...(minilm === undefined ? {} : { minilm }) });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await folder.remove();
  });

  async function openExample(fields: Readonly<Record<string, string>>, colorScheme: 'light' | 'dark' = 'light') {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
    page.setDefaultTimeout(0);
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${site.address}example/index.html?${new URLSearchParams(fields)}`, { timeout: 0 });
    const trained = async () => {
      await page.getByRole('button', { name: 'Train', exact: true }).click();
      await page.waitForSelector('body[data-state=trained], body[data-state=failed]');
      return page.innerText('#status');
    };
    return { page, errors, trained };
  }

  it('trains on pasted lines, draws loss and matrix, answers, and gives an adapter that Node reads', async () => {
    const rows = reviews.map(({ label, text }) => `${label}, ${text}`).join('\n');
    const url = `${site.address}tiny/`;
    const { page, errors, trained } = await openExample({
      url,
      device: 'wasm',
      epochs: '3',
      batchSize: '8',
      maxLength: '16',
      rows,
    });
    expect(await page.innerText('#counted')).toBe('20 bad, 20 good');
    expect(await trained()).toMatch(/^Trained [\d,]+ numbers on wasm\. Held-out examples: accuracy/);
    expect(await page.getAttribute('#chart', 'aria-label')).toMatch(/^Loss after 15 of 15 steps: \d/);
    expect(await page.locator('#matrix td.kept').count()).toBeGreaterThan(0);
    expect(await page.locator('#matrix tbody tr').count()).toBe(
      (await loadModel(tiny)).checkpoint.config.num_hidden_layers,
    );

    await page.fill('#text', 'the cat sat');
    await page.getByRole('button', { name: 'Classify' }).click();
    await page.waitForFunction("document.querySelector('#answer').textContent !== ''");
    const [label, score] = (await page.innerText('#answer')).split(/\s+/);
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download the adapter' }).click();
    const archive = await (await downloading).path();
    const adapter = process.env.DIFFORA_BROWSER_ADAPTER ?? folder.path('adapter');
    await unpack(archive, adapter);
    await using read = await loadAdapter(adapter, { model: await loadModel(tiny), threads: 1 });
    const [prediction] = await read.predict(['the cat sat']);
    expect(prediction).toMatchObject({ label });
    expect('score' in prediction! && prediction.score).toBeCloseTo(Number(score), 3);
    expect(errors).toEqual([]);
    expect(await violations(page)).toEqual([]);
    await page.close();
  });

  it('stops, and says what is wrong with a line', async () => {
    const url = `${site.address}tiny/`;
    const { page } = await openExample({ url, device: 'wasm', method: 'lora', epochs: '500' });
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await page.waitForFunction("document.querySelector('#status').textContent.startsWith('Training')");
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.waitForSelector('body[data-state=failed]');
    expect(await page.innerText('#status')).toBe('Stopped.');
    await page.fill('#rows', 'good, fine\nno label here');
    expect(await page.innerText('#counted')).toBe('Line 2 has no label and text: no label here');
    await page.close();
  });

  // Pictures for the docs, of a real model.
  it.runIf(process.env.DIFFORA_SCREENSHOT !== undefined)('is seen in light and dark', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      const { page, trained } = await openExample(
        { url: `${site.address}minilm/`, device: 'wasm', maxLength: '32' },
        scheme,
      );
      expect(await trained()).toMatch(/^Trained/);
      await page.fill('#text', 'The lid does not close');
      await page.getByRole('button', { name: 'Classify' }).click();
      await page.waitForFunction("document.querySelector('#answer').textContent !== ''");
      expect(await violations(page)).toEqual([]);
      await page.screenshot({ path: join(process.env.DIFFORA_SCREENSHOT!, `train-${scheme}.png`), fullPage: true });
      await page.close();
    }
  });
});

/** Unpacks what the page gave. */
async function unpack(archive: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const handle = await open(archive, 'r');
  const entries = await listStoredEntries(handle, (await stat(archive)).size);
  await handle.close();
  const bytes = await readFile(archive);
  expect([...entries.keys()]).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'task.json']);
  for (const [name, { offset, length }] of entries) {
    await writeFile(join(folder, name), bytes.subarray(offset, offset + length));
  }
}
