import { cp, mkdir } from 'node:fs/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunView } from '../../src/board/view.js';
import { reviewsFolder, tinyModel } from '../cli/run.js';
import { until } from '../until.js';
import { hasBrowser, openBrowser, openTab, violations, widthOf } from './browser.js';
import { read } from './call.js';
import { startBoard } from './started.js';

describe.skipIf(!hasBrowser)('from an empty folder to an answer, in the browser alone', () => {
  let made: Awaited<ReturnType<typeof reviewsFolder>>;
  let browser: Browser;
  let board: Awaited<ReturnType<typeof startBoard>>;
  beforeAll(async () => {
    made = await reviewsFolder();
    await mkdir(made.folder.path('runs'));
    await cp(tinyModel, made.folder.path('models', 'tiny'), { recursive: true });
    const folders = [made.folder.path('runs'), made.folder.path('models')];
    board = await startBoard(...folders);
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await board?.close();
    await made.folder.remove();
  });

  it('a run is started from the form, its matrix forms and its curves move, it is paused, resumed and asked', async () => {
    const { page, said } = await openTab(browser, board.url, { width: 1280 });
    await page.getByRole('heading', { name: 'Nothing here yet' }).waitFor();
    await page.getByRole('button', { name: 'Run the demo here' }).waitFor();
    const first = page.getByRole('region', { name: 'Command of a first run' });
    expect(await first.textContent()).toMatch(/^npx diffora train --task reviews\.csv .* \\\n {2}--label-column stars/);
    expect(await violations(page)).toEqual([]);

    await page.getByRole('link', { name: 'New run', exact: true }).click();
    await page.getByLabel('Or a file to be uploaded').setInputFiles(made.task);
    const data = page.getByLabel('Data', { exact: true });
    await until(async () => (await data.inputValue()).endsWith('reviews.csv'));
    const fill = (name: string, value: string) => page.getByLabel(name, { exact: true }).fill(value);
    await fill('textColumn', 'review');
    await fill('labelColumn', 'stars');
    await fill('model', 'tiny');
    await page.getByRole('button', { name: 'Read the rows' }).click();
    const rows = page.getByRole('region', { name: 'Rows as they are read' });
    await rows.waitFor();
    expect(await rows.textContent()).toMatch(/reviews, classification: \d+ rows to train on, \d+ to score on/);
    await rows.getByRole('meter', { name: /^good: \d+ rows$/ }).waitFor();
    for (const heading of ['Model and data', 'Method', 'Where adapters go', 'Training', 'Run']) {
      await page
        .locator('summary')
        .filter({ hasText: new RegExp(`^${heading}\\d`) })
        .click();
    }
    const settings = { maxLength: 16, rank: 2, searchSteps: 60, searchTeam: 1, batchSize: 8, epochs: 500, threads: 1 };
    for (const [name, value] of Object.entries(settings)) await fill(name, String(value));
    const idle = page.getByLabel('pissaIterations', { exact: true });
    await until(() => idle.isDisabled());
    expect(await page.locator('#about-pissaIterations').textContent()).toContain('this run has method diffora');
    expect(await violations(page)).toEqual([]);
    expect(await widthOf(page)).toBeLessThanOrEqual(1280);
    await page.getByLabel('Name of the run').fill('mine');
    await page.getByRole('region', { name: 'Command of this run' }).filter({ hasText: '--rank 2' }).waitFor();
    await page.getByRole('button', { name: 'Estimate' }).click();
    await page.getByText('Steps of training').waitFor();
    await page
      .getByText(/^It would take about .*: 60 steps of a search of .*; measured by \d+ steps here\.$/)
      .waitFor();
    await page.getByRole('button', { name: 'Start' }).click();

    await page.getByRole('heading', { name: 'mine' }).waitFor();
    await page.getByRole('grid').waitFor();
    const cells = async () => (await page.getByRole('gridcell').allTextContents()).join(' ');
    const before = await cells();
    await until(async () => (await cells()) !== before);
    const loss = page.getByRole('slider', { name: /^Training loss/ });
    await loss.waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Its newest checkpoint is kept').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    const state = async () => ((await read(board, '/api/board')).runs as RunView[]).find(({ name }) => name === 'mine');
    await until(async () => (await state())?.state === 'done');
    await page.getByRole('link', { name: 'Try it' }).click();

    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByLabel('Text', { exact: true }).fill('the cat sat on the mat 3');
    await page.getByRole('button', { name: 'Ask' }).click();
    const answer = page.getByRole('region', { name: 'Answer of mine' });
    await answer.getByRole('meter', { name: /^good: \d+\.\d %$/ }).waitFor();
    // Those two kinds of rows are told apart by any word.
    expect(await answer.locator('strong').textContent()).toBe('good');
    expect(await violations(page)).toEqual([]);
    expect(said).toEqual([]);
    await page.close();
  });
});
