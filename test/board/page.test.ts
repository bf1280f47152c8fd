import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBoard, type RunningBoard } from '../../src/board/board.js';
import { diffora, quickRun, reviewsFolder } from '../cli/run.js';
import { built, startDiffora } from '../cli/started.js';
import { until } from '../until.js';
import { hasBrowser, openBrowser, openTab, type Tab, violations, widthOf } from './browser.js';

/** A matrix of an encoder and a decoder, whose steps no progress.jsonl tells. */
const damOfHalves = {
  format: 'diffora-dam/2',
  select: 'diffora',
  layers: 2,
  modules: ['self.q', 'cross.q', 'wi'],
  rows: ['encoder 0', 'decoder 0'],
  there: [
    [1, 0, 1],
    [1, 1, 1],
  ],
  gamma: [
    [0, 0, 1],
    [0, 1, 0],
  ],
  values: [
    [0.4, 0, 0.6],
    [0.5, 0.7, 0.2],
  ],
  keep: 0.5,
  scope: 'row',
  share: 'none',
  seed: 1,
  search: {
    relax: 'sigmoid',
    logits: [
      [0, 0, 0],
      [0, 0, 0],
    ],
    order: 'first',
    optimizer: 'adam',
    start: 'zero',
    entropyWeight: 0,
    steps: 3,
    learningRate: 1,
    damLearningRate: 1,
    batchSize: 1,
    trainExamples: 1,
    validationExamples: 1,
    seeds: [],
    history: [1, 0.9, 0.75].map((entropy, step) => ({ step, validationLoss: 1, trainLoss: 1, entropy, spread: step })),
  },
  model: 'm',
  task: 't',
};

const markup = '<img src=x onerror=alert(1)>';

describe.skipIf(!hasBrowser)('the page', () => {
  let made: Awaited<ReturnType<typeof reviewsFolder>>;
  let browser: Browser;
  let board: RunningBoard;
  const runs = (...path: string[]) => made.folder.path('runs', ...path);
  beforeAll(async () => {
    made = await reviewsFolder();
    await mkdir(runs('marked'), { recursive: true });
    for (const method of ['diffora', 'lora']) {
      const output = runs('kept', method);
      const { code } = await diffora('train', ...quickRun(made.task, '--method', method), '--output', output);
      expect(code).toBe(0);
    }
    const record = {
      format: 'diffora-run/1',
      command: 'train',
      config: { method: markup, seed: 1 },
      task: markup,
      model: { name: markup, folder: '/', family: 'bert' },
      scores: { dev: { [markup]: 0.5 } },
      seconds: { total: 1 },
      peakMemoryBytes: 1,
    };
    await writeFile(runs('marked', 'run.json'), JSON.stringify(record));
    await mkdir(runs('halves'));
    await writeFile(runs('halves', 'run.json'), JSON.stringify({ ...record, task: 'summaries' }));
    await writeFile(runs('halves', 'dam.json'), JSON.stringify(damOfHalves));
    board = await openBoard({ folders: [runs()], page: built('dist', 'board', 'page') });
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await board?.close();
    await made.folder.remove();
  });

  const isClean = async ({ page, said }: Tab, width: number) => {
    expect(await violations(page)).toEqual([]);
    expect(await widthOf(page)).toBeLessThanOrEqual(width);
    expect(said).toEqual([]);
  };

  it.each([
    ['light', 390],
    ['light', 1280],
    ['dark', 1600],
  ] as const)('says nothing on the console, fits, and axe finds nothing: %s, %d', async (colorScheme, width) => {
    const tab = await openTab(browser, board.url, { width, colorScheme });
    const { page } = tab;
    await page.getByRole('link', { name: 'kept/diffora' }).waitFor();
    await page.getByRole('checkbox', { name: 'Show the curves of kept/diffora' }).check();
    await page.getByRole('checkbox', { name: 'Show the curves of kept/lora' }).check();
    await page.getByRole('slider', { name: /Training loss, 2 curves/ }).waitFor();
    await isClean(tab, width);
    await page.getByRole('link', { name: 'kept/diffora' }).click();
    await page.getByRole('grid').waitFor();
    await isClean(tab, width);
    for (const name of width === 1280 ? ['Settings', 'Messages', 'Files'] : ['Files']) {
      await page.getByRole('tab', { name }).click();
      if (width === 1280) await isClean(tab, width);
    }
    await page.getByRole('link', { name: 'Compare' }).click();
    await page.getByRole('heading', { name: 'Comparisons' }).waitFor();
    await isClean(tab, width);
    await page.close();
  });

  it('is small: all of its files are less than 250 kB, compressed', async () => {
    const folder = built('dist', 'board', 'page');
    const names = await readdir(folder, { recursive: true });
    const files = names.filter((name) => /\.(js|css|html)$/.test(name));
    const sizes = await Promise.all(files.map(async (name) => gzipSync(await readFile(join(folder, name))).length));
    expect(files.length).toBeGreaterThan(2);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(250_000);
  });

  it('shows markup in the names of a run as text', async () => {
    const { page, said } = await openTab(browser, board.url);
    const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: 'marked' }) });
    await row.waitFor();
    expect((await row.textContent())!.split(markup)).toHaveLength(5);
    expect(await page.locator('main img').count()).toBe(0);
    await page.getByRole('link', { name: 'marked' }).click();
    await page.getByText(markup).first().waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    expect(said).toEqual([]);
    await page.close();
  });

  it('filters, sorts and groups', async () => {
    const { page } = await openTab(browser, board.url);
    const names = () => page.locator('tbody th[scope=row] a').allTextContents();
    await page.getByRole('link', { name: 'marked' }).waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    expect(await names()).toEqual(['halves', 'kept/diffora', 'kept/lora', 'marked']);
    expect(await page.getByRole('columnheader', { name: 'Run' }).getAttribute('aria-sort')).toBe('ascending');
    await page.getByRole('searchbox').fill('kept lora');
    expect(await names()).toEqual(['kept/lora']);
    await page.getByRole('searchbox').fill('nothing like it');
    await page.getByText('No run is as you ask for').waitFor();
    await page.getByRole('searchbox').fill('');
    await page.getByLabel('Group by').selectOption('method');
    expect(await page.locator('tr.group').count()).toBe(3);
    await page.close();
  });

  it('is read by keyboard: the matrix cell by cell, a curve point by point', async () => {
    const { page } = await openTab(browser, `${board.url}#/run/${encodeURIComponent('0/kept/diffora')}`);
    const cell = page.getByRole('gridcell').first();
    await cell.focus();
    const focused = () => page.evaluate<string>('document.activeElement.querySelector(".hidden").textContent');
    expect(await focused()).toMatch(/^layer 0, attention\.self\.query: 0\.\d+, (not )?kept$/);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    expect(await focused()).toMatch(/^layer 1, attention\.self\.key/);
    expect(await page.locator('.told').textContent()).toBe(await focused());
    const slider = page.getByRole('slider', { name: 'Step of the search', exact: true });
    await slider.focus();
    expect(await slider.getAttribute('aria-valuetext')).toContain('the matrix that decided');
    await page.keyboard.press('Home');
    expect(await slider.getAttribute('aria-valuetext')).toContain('after step 1');
    const loss = page.getByRole('slider', { name: /^Training loss/ });
    await page.locator('figure.chart svg').nth(4).waitFor();
    for (const chart of await page.locator('figure.chart').all()) {
      const texts = await chart.locator('[aria-label="y-axis tick label"] text').allTextContents();
      const ticks = texts.filter((text) => text !== '');
      expect(new Set(ticks).size, ticks.join()).toBe(ticks.length);
    }
    await loss.focus();
    await page.keyboard.press('Home');
    expect(await loss.getAttribute('aria-valuetext')).toMatch(/^step 1: \d\.\d+$/);
    await page.keyboard.press('ArrowRight');
    expect(await loss.getAttribute('aria-valuetext')).toMatch(/^step 2: /);
    await page.close();
  });

  it('leaves modules out that a half has not, and reads off the history of a search that wrote no matrices down', async () => {
    const tab = await openTab(browser, `${board.url}#/run/${encodeURIComponent('0/halves')}`);
    const { page } = tab;
    await page.getByText('2 of 5 modules kept, the matrix that decided').waitFor();
    expect(await page.getByRole('rowheader').allTextContents()).toEqual(['encoder 0', 'decoder 0']);
    const said = await page.getByRole('gridcell').locator('.hidden').allTextContents();
    expect(said).toEqual([
      'encoder 0, self.q: 0.4, not kept',
      'encoder 0, cross.q: there is none in this layer',
      'encoder 0, wi: 0.6, kept',
      'decoder 0, self.q: 0.5, not kept',
      'decoder 0, cross.q: 0.7, kept',
      'decoder 0, wi: 0.2, not kept',
    ]);
    expect(await page.locator('td.absent').count()).toBe(1);
    const slider = page.getByRole('slider', { name: 'Step of the search', exact: true });
    expect(await slider.getAttribute('aria-valuetext')).toBe('the matrix that decided');
    await slider.focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    expect(await slider.getAttribute('aria-valuetext')).toBe('after step 2 of 3, entropy 0.9, spread 1');
    await page.getByText('was not written down matrix by matrix').waitFor();
    await isClean(tab, 1280);
    await page.close();
  });

  it('shows the report of a comparison, and the next one as it fills', async () => {
    const put = async (title: string, runs: number) => {
      await writeFile(folder('report.html'), `<!doctype html><html lang="en"><title>t</title><h1>${title}</h1></html>`);
      await writeFile(folder('records.jsonl'), '{"kind": "run", "status": "done"}\n'.repeat(runs));
    };
    const folder = (...path: string[]) => runs('compared', ...path);
    await mkdir(folder());
    await put('One run', 1);
    const tab = await openTab(browser, `${board.url}#/compare`);
    const { page } = tab;
    await page.getByRole('link', { name: 'compared' }).click();
    const report = page.frameLocator('iframe');
    await report.getByRole('heading', { name: 'One run' }).waitFor();
    await page.getByText('Recorded: 1 run, 0 trials').waitFor();
    await put('Two runs', 2);
    await report.getByRole('heading', { name: 'Two runs' }).waitFor();
    await page.getByText('Recorded: 2 runs, 0 trials').waitFor();
    await isClean(tab, 1280);
    await page.close();
    await rm(folder(), { recursive: true });
  });

  it('shows a run of a terminal while it goes on: its row, its curves, its matrix as it forms, its end', async () => {
    const { page, said } = await openTab(browser, board.url);
    const args = ['--epochs', '400', '--search-steps', '120', '--search-team', '1'];
    const started = startDiffora('train', ...quickRun(made.task, ...args), '--output', runs('live'));
    await page.getByRole('link', { name: 'live', exact: true }).click();
    await page.getByRole('grid').waitFor();
    const value = async () => (await page.getByRole('gridcell').allTextContents()).join(' ');
    const before = await value();
    await until(async () => (await value()) !== before, started.ended);
    const loss = page.getByRole('slider', { name: /^Training loss/ });
    await loss.waitFor();
    const points = async () => Number(await loss.getAttribute('aria-valuemax'));
    const first = await points();
    await until(async () => (await points()) > first + 5, started.ended);
    await page.getByRole('progressbar').waitFor();
    started.child.kill('SIGINT');
    await started.ended;
    await page.getByText('nothing of it is left in the folder').waitFor();
    expect(said).toEqual([]);
    await page.close();
  });
});
