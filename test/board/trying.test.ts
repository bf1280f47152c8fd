import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diffora, reviewsFolder, tinyModel } from '../cli/run.js';
import { chatModel } from '../tasks/chat/chatModel.js';
import { writingModel } from '../tasks/seq2seq/writingModel.js';
import { until } from '../until.js';
import { hasBrowser, openBrowser, openTab, violations, widthOf } from './browser.js';
import { startBoard } from './started.js';

const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const animals = ['man', 'film', 'book'];

describe.skipIf(!hasBrowser)('Try', () => {
  let made: Awaited<ReturnType<typeof reviewsFolder>>;
  let browser: Browser;
  let board: Awaited<ReturnType<typeof startBoard>>;
  const file = (name: string) => made.folder.path(name);

  async function train(name: string, model: string, task: string, ...more: readonly string[]) {
    const flags = ['--model', model, '--task', file(task), '--method', 'lora', '--threads', '1', ...more];
    const { code, stderr } = await diffora('train', ...flags, '--output', made.folder.path('runs', name));
    expect(code, stderr).toBe(0);
  }

  /** Opens Try at a run, beside another where one is named. */
  async function tryOut(name: string, beside?: string) {
    const tab = await openTab(browser, `${board.url}#/try/${encodeURIComponent(`0/${name}`)}`);
    const { page } = tab;
    const answer = (title: string) => page.getByRole('region', { name: `Answer of ${title}`, exact: true });
    if (beside !== undefined) await page.getByLabel('Beside').selectOption({ label: beside });
    await page.getByRole('button', { name: 'Open' }).click();
    return { ...tab, answer };
  }
  const ask = async (page: Page, texts: Readonly<Record<string, string>>) => {
    for (const [title, text] of Object.entries(texts)) await page.getByLabel(title, { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Ask', exact: true }).click();
  };
  const isClean = async ({ page, said }: { readonly page: Page; readonly said: readonly string[] }) => {
    expect(await violations(page)).toEqual([]);
    expect(await widthOf(page)).toBeLessThanOrEqual(1280);
    expect(said).toEqual([]);
    await page.close();
  };

  beforeAll(async () => {
    made = await reviewsFolder();
    const short = ['--rank', '4', '--lr', '1e-2', '--batch-size', '8'];
    const columns = ['--text-column', 'review', '--label-column', 'stars'];
    for (const seed of ['1', '2'])
      await train(`class-${seed}`, tinyModel, 'reviews.csv', ...short, ...columns, '--epochs', '2', '--seed', seed);

    const twins = Array.from({ length: 24 }, (_, i) => {
      const [a, b] = [animals[i % 3], animals[Math.floor(i / 3) % 3]];
      return { text: `the ${a}`, pair: `a ${b}`, label: a === b ? 'same' : 'other' };
    });
    await writeFile(file('pairs.jsonl'), lines(twins));
    await train('pairs', tinyModel, 'pairs.jsonl', ...short, '--epochs', '2');

    const passages = Array.from({ length: 24 }, (_, i) => {
      const good = animals[i % 3]!;
      const context = `the ${good} is good and the ${animals[(i + 1) % 3]} is bad`;
      return { question: 'what is good', context, answers: { text: [good], answer_start: [context.indexOf(good)] } };
    });
    await writeFile(file('questions.jsonl'), lines(passages));
    await writeFile(file('questions.yaml'), 'kind: span\ntrain: questions.jsonl\ndev: questions.jsonl\n');
    await train('span', tinyModel, 'questions.yaml', ...short, '--rank', '8', '--epochs', '30', '--max-length', '32');

    const people = ['bad man', 'who', 'book'];
    const sentences = Array.from({ length: 30 }, (_, i) => {
      const person = people[i % 3]!.split(' ').map((word, k) => `${word}\t${k === 0 ? 'B' : 'I'}-PER\n`);
      return `${i % 2 === 0 ? 'it\tO\nwas\tO\n' : ''}${person.join('')}is\tO\ngood\tO\n`;
    });
    await writeFile(file('people.conll'), sentences.join('\n'));
    await train('entities', tinyModel, 'people.conll', ...short, '--epochs', '40');

    const writer = await chatModel(made.folder.path('runs', 'writer'));
    const chats = Array.from({ length: 10 }, (_, i) => ({
      messages: [
        { role: 'user', content: `say ${'ab'[i % 2]}` },
        { role: 'assistant', content: 'ab'[i % 2]!.repeat(3) },
      ],
    }));
    await writeFile(file('chats.jsonl'), lines(chats));
    await writeFile(file('chats.yaml'), 'kind: chat\ntrain: chats.jsonl\ndev: chats.jsonl\nmaxNewTokens: 24\n');
    const slow = ['--rank', '8', '--lr', '4e-2', '--batch-size', '5', '--epochs', '80'];
    await train('chat', writer, 'chats.yaml', ...slow);
    const texts = Array.from({ length: 10 }, (_, i) => ({ asked: 'ab'[i % 2], written: 'ab'[i % 2]!.repeat(4) }));
    await writeFile(file('texts.jsonl'), lines(texts));
    const described = ['kind: language', 'train: texts.jsonl', 'dev: texts.jsonl', 'maxNewTokens: 12'];
    const asking = ['columns: { text: asked, label: written }', 'prompt: "four of {text}: "'];
    await writeFile(file('texts.yaml'), [...described, ...asking].join('\n'));
    await train('texts', writer, 'texts.yaml', ...slow);

    await writingModel(made.folder.path('runs', 'halves'));
    const words = ['cab', 'bad', 'fed', 'gab'];
    const rewritten = Array.from({ length: 16 }, (_, i) => ({
      source: words[i % 4]!,
      target: words[i % 4]![0]!.repeat(2),
    }));
    await writeFile(file('rows.jsonl'), lines(rewritten));
    await writeFile(file('rows.yaml'), 'kind: seq2seq\ntrain: rows.jsonl\ndev: rows.jsonl\nmaxTargetLength: 6\n');
    await train(
      'halves-run',
      made.folder.path('runs', 'halves'),
      'rows.yaml',
      ...short,
      '--epochs',
      '60',
      '--lr',
      '3e-2',
    );

    board = await startBoard(made.folder.path('runs'));
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await board?.close();
    await made?.folder.remove();
  });

  it('gives the probabilities of classes, of two runs beside each other', async () => {
    const tab = await tryOut('class-1', 'class-2');
    const { page, answer } = tab;
    await ask(page, { Text: 'the cat sat on the mat 3' });
    for (const name of ['class-1', 'class-2']) {
      await answer(name)
        .getByRole('meter', { name: /^good: \d+\.\d %$/ })
        .waitFor();
      const shares = (await answer(name).getByRole('meter').all()).map((one) => one.getAttribute('value'));
      const sum = (await Promise.all(shares)).reduce((all, one) => all + Number(one), 0);
      expect(sum).toBeCloseTo(1, 6);
    }
    await isClean(tab);
  });

  it('asks for both texts of a pair', async () => {
    const tab = await tryOut('pairs');
    const { page, answer } = tab;
    await page.getByLabel('Text', { exact: true }).fill('the man');
    expect(await page.getByRole('button', { name: 'Ask', exact: true }).isDisabled()).toBe(true);
    await ask(page, { 'Second text': 'a man' });
    await answer('pairs')
      .getByRole('meter', { name: /^same: \d+\.\d %$/ })
      .waitFor();
    await isClean(tab);
  });

  it('marks the answer in its passage', async () => {
    const tab = await tryOut('span');
    const { page, answer } = tab;
    await ask(page, { Question: 'what is good', Passage: 'the film is good and the book is bad' });
    await answer('span').locator('mark').waitFor();
    expect(await answer('span').locator('strong').textContent()).toBe('film');
    expect(await answer('span').locator('mark span').textContent()).toBe('film');
    expect(await answer('span').locator('.marked').textContent()).toBe('the filmanswer is good and the book is bad');
    await isClean(tab);
  });

  it('marks entities with their type in the text', async () => {
    const tab = await tryOut('entities');
    const { page, answer } = tab;
    await ask(page, { Text: 'it was bad man is good' });
    await answer('entities').locator('mark').first().waitFor();
    expect(await answer('entities').locator('mark').allTextContents()).toEqual(['bad manPER']);
    await ask(page, { Text: 'is good' });
    await answer('entities').getByText('(nothing found)').waitFor();
    await isClean(tab);
  });

  it('shows a text as it is written, beside what the base writes', async () => {
    const tab = await tryOut('texts');
    const { page, answer } = tab;
    await page.getByText('Ask as its task does').waitFor();
    expect(await page.getByLabel('Most new tokens').inputValue()).toBe('12');
    await page.getByLabel('Beside').selectOption({ label: 'its base' });
    await ask(page, { 'Text to go on from': 'b' });
    const written = answer('texts').locator('.written');
    await until(async () => (await written.textContent()) === 'four of b: bbbb');
    const base = answer('base of texts');
    await until(async () => (await base.getAttribute('aria-busy')) === 'false');
    expect(await base.locator('.written').textContent()).not.toBe('four of b: bbbb');
    expect(await base.getByRole('alert').count()).toBe(0);
    await isClean(tab);
  });

  it('is stopped in a text, which keeps what was written', async () => {
    const tab = await tryOut('texts');
    const { page, answer } = tab;
    await page.getByRole('checkbox', { name: 'Ask as its task does' }).uncheck();
    // The base stops late, if at all: its end is far away.
    await page.getByLabel('Beside').selectOption({ label: 'its base' });
    await ask(page, { 'Most new tokens': '200', 'Text to go on from': 'zzz' });
    const base = answer('base of texts');
    await until(async () => ((await base.locator('.written').textContent()) ?? '').length > 6);
    if ((await base.getAttribute('aria-busy')) === 'true') await page.getByRole('button', { name: 'Stop' }).click();
    await until(async () => (await base.getAttribute('aria-busy')) === 'false');
    expect((await base.locator('.written').textContent())!.length).toBeGreaterThan(6);
    expect(await base.getByRole('alert').count()).toBe(0);
    await page.getByRole('button', { name: 'Ask', exact: true }).waitFor();
    await isClean(tab);
  });

  it('holds a conversation: what was said before is said again, and can be begun anew', async () => {
    const tab = await tryOut('chat');
    const { page, answer } = tab;
    const said = async () => answer('chat').getByRole('listitem').allTextContents();
    await ask(page, { 'Your message': 'say a' });
    await until(async () => (await said()).join() === 'say a,aaa');
    await page.getByRole('button', { name: 'Begin anew' }).waitFor();
    await ask(page, { 'Your message': 'say b' });
    await page.getByRole('button', { name: 'Begin anew' }).waitFor();
    await until(async () => (await said()).length === 4);
    expect((await said()).slice(0, 3)).toEqual(['say a', 'aaa', 'say b']);
    await page.getByRole('button', { name: 'Begin anew' }).click();
    expect(await answer('chat').count()).toBe(0);
    await isClean(tab);
  });

  it('shows what a model of two halves writes anew', async () => {
    const tab = await tryOut('halves-run');
    const { page, answer } = tab;
    await ask(page, { Text: 'bad' });
    await until(async () => (await answer('halves-run').locator('.written').textContent()) === 'bb');
    await isClean(tab);
  });

  it('says what is wrong with an adapter that cannot be opened', async () => {
    const broken = made.folder.path('runs', 'broken');
    await cp(made.folder.path('runs', 'class-1'), broken, { recursive: true });
    const settings = join(broken, 'adapter', 'adapter_config.json');
    const config = JSON.parse(await readFile(settings, 'utf8'));
    await writeFile(settings, JSON.stringify({ ...config, base_model_name_or_path: made.folder.path('nowhere') }));
    const { page } = await tryOut('broken');
    expect(await page.getByRole('alert').textContent()).toContain('nowhere');
    await page.close();
  });
});
