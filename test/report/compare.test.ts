import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'csv-parse/sync';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summarise } from '../../src/jobs/compare/summary.js';
import { reportPage } from '../../src/report/compare/page.js';
import { resultsCsv, resultsMarkdown } from '../../src/report/compare/results.js';
import { comparisonView } from '../../src/report/compare/view.js';
import { hasChromium, launchChromium } from '../chromium.js';
import { madeUpComparison } from './comparison.js';

const comparison = madeUpComparison();
const tables = summarise(comparison);
const markdown = resultsMarkdown(comparison.config, tables, comparison.missing);
const page = reportPage(comparison.config, tables, comparison.missing);

describe('results.md', () => {
  it('has the best in bold only where it can be told from the runner-up', () => {
    const [cola, rte] = markdown.split('## ').slice(1);
    expect(cola).toMatch(/\| DiffoRA \| \*\*0\.9\d\d ± /);
    expect(cola).toContain('DiffoRA is ahead of LoRA');
    expect(rte).not.toMatch(/\*\*0\.\d{3} /);
    expect(rte).toContain('cannot be told apart');
  });

  it('has the loss of held-out examples, the lower the better, which tells apart what scores do not', () => {
    const rte = markdown.split('## ')[2]!;
    expect(rte).toContain('| validation loss | loss − DiffoRA |');
    // One hundredth less on every example: the interval is that.
    expect(rte).toMatch(/\| LoRA [^\n]* \+0\.0100 \(\+0\.0100 to \+0\.0100\) \|/);
    expect(rte).toContain(
      'DiffoRA is ahead of LoRA \\| <b>all</b>: validation loss −0.0100 (−0.0100 to −0.0100).'.replace('\\', ''),
    );
    expect(rte).toMatch(/\| DiffoRA \| 0\.\d{3} ± .* \| \*\*0\.\d{4} ± 0\.\d{4}\*\* \|/);
    expect(markdown).toContain('is the mean loss of 10 % of the training examples, held out of every run.');
  });

  it('marks what is off the budget, and shows failed and missing runs', () => {
    expect(markdown).toMatch(/\| head only \|.*\| 0 \| −100\.0 % \* \|/);
    expect(markdown).toMatch(/\| DiffoRA \|.*\| 990 \| −1\.0 % \|/);
    expect(markdown).toContain('- head only, seed 1, failed: out of luck');
    expect(markdown).toContain('1 run is still missing');
  });
});

describe('results.csv', () => {
  it('has a line for each run that a CSV reader takes', () => {
    const rows: Record<string, string>[] = parse(resultsCsv(comparison.runs), { columns: true });
    expect(rows).toHaveLength(18);
    expect(rows[0]).toMatchObject({
      method: 'head only',
      status: 'failed',
      error: 'out of luck, "quoted"',
      accuracy: '',
    });
    expect(rows[17]).toMatchObject({ method: 'DiffoRA', task: 'rte', seed: '3', adapter_parameters_kept: '990' });
  });
});

describe('what compare prints', () => {
  it.each([40, 80, 120])('fits %d columns', (width) => {
    const { config, missing, trained, found } = comparison;
    const summary = { config, tables, runs: 18, failed: 1, missing, trained, found };
    const lines = comparisonView(summary, 'runs/x', { width, colorLevel: 0 }).split('\n');
    // Sentences are left to the terminal to wrap; tables are not.
    for (const line of lines.filter((one) => !one.endsWith('.') && !one.includes('failed:'))) {
      expect(line.length, line).toBeLessThanOrEqual(width);
    }
  });
});

describe('report.html', () => {
  it('stands alone: no scripts, nothing from elsewhere, names escaped', () => {
    expect(page).not.toMatch(/<script|<link rel="stylesheet"|@import|src=|url\(/);
    expect(page.replaceAll('http://www.w3.org', '')).not.toMatch(/https?:\/\//);
    expect(page).toContain('LoRA | &lt;b&gt;all&lt;/b&gt;');
    expect(page).not.toContain('<b>all</b>');
  });

  it('has every figure for each task and a matrix for each run that has one', () => {
    for (const title of [
      'Scores by seed',
      'Differences to',
      'Score against trained numbers',
      'Score against time',
      'Learning curves',
      'Validation loss by seed',
      'Validation loss: differences to',
      'Time of',
      'Peak memory',
    ]) {
      expect(page.split(`<figcaption>${title}`)).toHaveLength(3);
    }
    expect(page.match(/<figcaption>seed \d/g)).toHaveLength(6);
    expect(page.match(/<figcaption>kept, share of seeds/g)).toHaveLength(2);
  });
});

describe.skipIf(!hasChromium)('report.html in a browser', () => {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'diffora-report-'));
    await writeFile(join(folder, 'report.html'), page);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['light', 'dark'] as const)(
    'says nothing on the console and fits a desk and a phone, %s',
    async (colorScheme) => {
      for (const width of [1280, 360]) {
        const tab = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
        const said: string[] = [];
        tab.on('console', (message) => said.push(message.text()));
        tab.on('pageerror', (error) => said.push(error.message));
        await tab.goto(pathToFileURL(join(folder, 'report.html')).href, { timeout: 0 });
        const seen = await tab.evaluate<{ wide: number; back: string; front: string }>(`({
        wide: document.documentElement.scrollWidth,
        back: getComputedStyle(document.body).backgroundColor,
        front: getComputedStyle(document.querySelector('svg text')).fill,
      })`);
        expect(said).toEqual([]);
        expect(seen.wide).toBeLessThanOrEqual(width);
        expect(seen.back === 'rgb(255, 255, 255)').toBe(colorScheme === 'light');
        expect(seen.front).not.toBe(seen.back);
        await tab.close();
      }
    },
  );
});
