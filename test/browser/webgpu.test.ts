import type { Browser } from 'playwright-core';
import { afterAll, describe, it } from 'vitest';
import { hasVulkan, launchChromium } from '../chromium.js';
import { oraclePath } from '../fixtures.js';
import { reviews } from '../library/reviews.js';
import { nightly } from '../nightly.js';
import { canRun, openPage, openSite, type Site } from './page.js';
import { expectNear, inNode, inPage } from './trained.js';

const tiny = oraclePath('tiny-bert');
const texts = ['the cat sat'];

// In software every kernel is compiled for a processor: two minutes, most of them for the first step.
describe.skipIf(!nightly || !canRun || !hasVulkan)('training in chromium, by WebGPU in software', () => {
  let site: Site | undefined;
  let browser: Browser | undefined;
  afterAll(async () => {
    await browser?.close();
    await site?.close();
  });

  it('has the losses of Node, where it starts', async (context) => {
    site = await openSite({ tiny });
    browser = await launchChromium({ webgpu: true });
    const page = await openPage(browser, site);
    const starts = 'navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false';
    if (!(await page.evaluate<boolean>(starts))) context.skip('no adapter');
    const settings = { method: 'lora' as const, rank: 2, batchSize: 8, maxLength: 16, lr: 0.01, maxSteps: 3 };
    const expected = await inNode(tiny, { rows: reviews, settings, texts });
    const found = await inPage(page, { url: `${site.address}tiny/`, device: 'webgpu', rows: reviews, settings, texts });
    console.log(
      `webgpu: ${found.losses.join(', ')}; Node ${expected.losses.join(', ')}; step ${found.stepMs.toFixed(0)} ms`,
    );
    expectNear(found.losses, expected.losses, 1e-5);
  });
});
