import { statSync } from 'node:fs';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { createServer, type ViteDevServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/jobs/export.js';
import { generateText } from '../../src/jobs/generate.js';
import { readPredictInput } from '../../src/jobs/predictInput.js';
import { predictWithModel } from '../../src/jobs/predictModel.js';
import type { LabelPrediction } from '../../src/tasks/kinds/kind.js';
import { hasChromium, hasVulkan, launchChromium } from '../chromium.js';
import { letterModel, temporaryFolder } from '../cli/run.js';
import { nightly } from '../nightly.js';
import { REPOSITORY } from '../shared.js';
import { clientFolder } from './clients.js';
import { headedModel } from './headedModel.js';

const library = clientFolder('transformers.js');
const here = library !== undefined && hasChromium;

const text = 'a few letters';
const prompt = 'abc';

describe.skipIf(!here)('examples/browser in chromium', async () => {
  const folder = await temporaryFolder();
  let server: ViteDevServer;
  let address: string;
  let label: string;
  let score: number;
  let written: string;
  beforeAll(async () => {
    const models = folder.path('public/models');
    await mkdir(models, { recursive: true });
    const classifier = await headedModel(folder.path('classifier'), 'bert', 'SEQ_CLS');
    const chat = await letterModel('llama', folder.path('chat'));
    await exportModel({
      model: classifier,
      format: 'onnx',
      output: join(models, 'classifier'),
      dtypes: ['fp32', 'q8'],
    });
    await exportModel({ model: chat, format: 'onnx', output: join(models, 'chat'), dtypes: ['fp32', 'q4'] });
    const [found] = await predictWithModel({
      model: classifier,
      threads: 1,
      examples: (task) => readPredictInput({ text }, task),
    });
    const best = found as LabelPrediction;
    [label, score] = [String(best.label), best.score];
    const [own] = await generateText({
      model: chat,
      prompts: [prompt],
      maxNewTokens: 6,
      temperature: 0,
      seed: 0,
      threads: 1,
    });
    written = own!.text;
    // The example as it is once `npm install` has been run in it.
    const root = folder.path('example');
    await cp(join(REPOSITORY, 'examples', 'browser'), root, { recursive: true });
    await symlink(join(library!, '..', '..'), join(root, 'node_modules'));
    server = await createServer({
      root,
      configFile: false,
      logLevel: 'error',
      publicDir: folder.path('public'),
      cacheDir: folder.path('cache'),
      optimizeDeps: { noDiscovery: true, include: [] },
      server: { host: '127.0.0.1', port: 0, fs: { strict: false }, watch: null, hmr: false },
    });
    await server.listen();
    address = server.resolvedUrls!.local[0]!;
  }, 120_000);
  afterAll(async () => {
    await server?.close();
    await folder.remove();
  });

  /** Opens the page, and uses its forms. */
  async function used(browser: Browser, query: string, ...forms: readonly (readonly [form: string, text: string])[]) {
    const page = await browser.newPage({ viewport: { width: 900, height: 800 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(`${address}?${query}`, { timeout: 0 });
    const answers: string[] = [];
    for (const [form, asked] of forms) answers.push(await answerOf(page, form, asked));
    expect(errors).toEqual([]);
    const picture = folder.path('page.png');
    await page.screenshot({ path: picture });
    expect(statSync(picture).size).toBeGreaterThan(5_000);
    if (process.env.DIFFORA_SCREENSHOT !== undefined) await cp(picture, process.env.DIFFORA_SCREENSHOT);
    await page.close();
    return answers;
  }

  async function answerOf(page: Page, form: string, asked: string): Promise<string> {
    const state = (wanted: string) =>
      page.waitForSelector(`${form}[data-state=${wanted}], ${form}[data-state=failed]`, { timeout: 0 });
    await state('ready');
    const isReady = (await page.getAttribute(form, 'data-state')) === 'ready';
    if (!isReady) throw new Error(await page.innerText(`${form} output`));
    await page.fill(`${form} textarea`, asked);
    await page.click(`${form} button`);
    await state('done');
    return page.innerText(`${form} output`);
  }

  const classify = ['#classify', text] as const;
  const write = ['#write', prompt] as const;
  const wide = 'classifier-dtype=fp32&chat-dtype=fp32&tokens=6';

  function expectClass(labels: string) {
    const [first, probability] = labels.split('\n')[0]!.split(' ');
    expect(first, labels).toBe(label);
    expect(Number(probability)).toBeCloseTo(score, 3);
  }

  it('classifies and writes as diffora does, by WebAssembly', async () => {
    const browser = await launchChromium();
    try {
      const [labels, continued] = await used(browser, wide, classify, write);
      expectClass(labels!);
      // What joins the first word to the prompt, a space or WordPiece's mark, is the prompt's to say.
      const bare = (one: string) => one.trim().replace(/^##/, '');
      expect(bare(continued!)).toBe(bare(written));
      // The widths that the page takes by itself.
      const narrow = await used(browser, 'tokens=6', classify, write);
      for (const answer of narrow) expect(answer.trim()).not.toBe('');
    } finally {
      await browser.close();
    }
  }, 240_000);

  // In software every kernel is compiled for a processor: a classification takes half a minute.
  it.skipIf(!nightly || !hasVulkan)(
    'classifies by WebGPU, where it starts',
    async (context) => {
      const browser = await launchChromium({ webgpu: true });
      try {
        const page = await browser.newPage();
        await page.goto(address, { timeout: 0 });
        const found = 'navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false';
        const starts = await page.evaluate<boolean>(found);
        await page.close();
        if (!starts) context.skip('no adapter');
        const [labels] = await used(browser, `device=webgpu&${wide}`, classify);
        expectClass(labels!);
      } finally {
        await browser.close();
      }
    },
    600_000,
  );
});
