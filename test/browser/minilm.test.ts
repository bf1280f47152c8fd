import type { Browser } from 'playwright-core';
import { afterAll, describe, expect, it } from 'vitest';
import { keptPipModel } from '../../src/checkpoint/pip.js';
import { launchChromium } from '../chromium.js';
import { canRun, openPage, openSite, type Site } from './page.js';
import { expectNear, inNode, inPage } from './trained.js';

/** all-MiniLM-L6-v2, where it was fetched before. */
const minilm = await keptPipModel(process.env);

const rows = Array.from({ length: 24 }, (_, i) => [
  { text: `The parcel arrived ${i} days late and the box was broken`, label: 'complaint' },
  { text: `Works like a charm, I bought ${i + 2} more of them`, label: 'praise' },
]).flat();
const texts = ['It broke on the first day', 'The best kettle I ever had'];
const shared = { batchSize: 16, maxLength: 32, maxSteps: 5, seed: 1 };

describe.skipIf(!canRun || minilm === undefined)('all-MiniLM-L6-v2 in chromium, by WebAssembly', () => {
  let site: Site | undefined;
  let browser: Browser | undefined;
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it('has the losses and the matrix of Node in 5 steps', async () => {
    site = await openSite({ minilm: minilm! });
    browser = await launchChromium();
    const page = await openPage(browser, site);
    const url = `${site.address}minilm/`;
    for (const settings of [
      { ...shared, method: 'lora' as const },
      { ...shared, method: 'diffora' as const, searchSteps: 5 },
    ]) {
      const expected = await inNode(minilm!, { rows, settings, texts });
      const found = await inPage(page, { url, device: 'wasm', rows, settings, texts });
      console.log(
        `${settings.method}: step ${found.stepMs.toFixed(0)} ms in the tab, ${expected.stepMs.toFixed(0)} ms in Node, one thread each`,
      );
      expectNear(found.losses, expected.losses, 1e-5);
      if (expected.dam !== undefined) {
        expectNear(found.matrix!.values.flat(), expected.dam.values.flat(), 1e-4);
        expect(found.matrix!.gamma).toEqual(expected.dam.gamma);
      }
      const labels = expected.predictions.map((one) => 'label' in one && one.label);
      expect(found.predictions.map(({ label }) => label)).toEqual(labels);
    }
  });
});
