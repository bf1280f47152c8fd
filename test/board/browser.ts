import axe, { type AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';

export { hasChromium as hasBrowser, launchChromium as openBrowser } from '../chromium.js';

/** A page of the board, and what it said on the console, asked for elsewhere or was refused. */
export interface Tab {
  readonly page: Page;
  readonly said: string[];
}

export async function openTab(
  browser: Browser,
  url: string,
  options: { readonly width?: number; readonly colorScheme?: 'light' | 'dark' } = {},
): Promise<Tab> {
  const { width = 1280, colorScheme = 'light' } = options;
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });
  page.setDefaultTimeout(0);
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith('data:')) said.push(request.url());
  });
  await page.goto(url, { timeout: 0 });
  await page.getByRole('status').filter({ hasText: 'live' }).waitFor();
  return { page, said };
}

/** What axe finds against the rules of WCAG 2.2 A and AA and good practice, as lines. */
export async function violations(page: Page): Promise<string[]> {
  // What scripts of the page may not do, the tester may.
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate<AxeResults>('axe.run(document)');
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`),
  );
}

/** How far the page reaches to the right. */
export const widthOf = (page: Page) => page.evaluate<number>('document.documentElement.scrollWidth');
