import { mkdir, readdir, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hubTable } from '../../../src/data/hub/hubTable.js';
import { COMMIT } from '../../checkpoint/hub-server.js';
import { errorOf } from '../files.js';
import { glueFiles, glueHub, parquetDataset } from './glueHub.js';

const test = glueHub();
const train = { repository: 'nyu-mll/glue', config: 'cola', split: 'train' };
const OFFLINE = { HF_HUB_OFFLINE: '1' };
const root = () => join(test.folder, 'hub/datasets--nyu-mll--glue');
const snapshot = (...path: string[]) => join(root(), 'snapshots', COMMIT, ...path);
const sentences = ({ rows }: { rows: readonly { values: Readonly<Record<string, unknown>> }[] }) =>
  rows.map(({ values }) => values.sentence);

describe('a split from the hub', () => {
  it('is the rows of all its files in order, numbered through', async () => {
    const table = await hubTable(train, test.options());
    expect(table).toEqual({
      path: `hf://datasets/nyu-mll/glue@${COMMIT}/cola/train`,
      columns: ['sentence', 'label', 'idx'],
      rows: [
        { line: 1, values: { sentence: 'one', label: 1, idx: 0 } },
        { line: 2, values: { sentence: 'two', label: 0, idx: 1 } },
        { line: 3, values: { sentence: 'three', label: 1, idx: 0 } },
      ],
    });
    expect(test.lines).toEqual({
      info: [`Data nyu-mll/glue cola/train: from the hub ${test.hub.endpoint}, now in ${snapshot('cola/train')}`],
      warn: [],
    });
  });

  it('fetches no other split, into the layout of the Python cache', async () => {
    const received: number[] = [];
    await hubTable(train, test.options({}, { onProgress: ({ receivedBytes }) => received.push(receivedBytes) }));
    expect(await readdir(snapshot())).toEqual(['cola']);
    expect(await readdir(snapshot('cola'))).toEqual(['train']);
    expect((await readdir(snapshot('cola/train'))).sort()).toEqual(['0000.parquet', '0001.parquet']);
    expect(await readFile(join(root(), 'refs/refs/convert/parquet'), 'utf8')).toBe(COMMIT);
    expect(await readdir(join(root(), 'blobs'))).toHaveLength(2);
    const files = await glueFiles();
    expect(Math.max(...received)).toBe(
      files['cola/train/0000.parquet']!.length + files['cola/train/0001.parquet']!.length,
    );
  });

  it('comes from the cache the next time, online or not, without asking the hub', async () => {
    const first = await hubTable(train, test.options());
    test.hub.requests.length = 0;
    expect(await hubTable(train, test.options())).toEqual(first);
    expect(await hubTable(train, test.options(OFFLINE))).toEqual(first);
    expect(test.hub.requests).toEqual([]);
    expect(test.lines.info[2]).toBe(`Data nyu-mll/glue cola/train: from the local cache ${snapshot('cola/train')}`);
    expect(test.lines.warn).toEqual([]);
  });

  it('of which the hub has a part only comes with a warning', async () => {
    const files = await glueFiles();
    const part = { 'cola/partial-train/0000.parquet': files['cola/train/0000.parquet']! };
    await test.restart({ 'datasets/nyu-mll/glue': parquetDataset(part) });
    for (const env of [{}, OFFLINE]) {
      const table = await hubTable(train, test.options(env));
      expect(sentences(table)).toEqual(['one', 'two']);
      expect(table.path).toMatch(/cola\/partial-train$/);
    }
    const warning =
      'The hub has only the first part of nyu-mll/glue cola/train as Parquet: 2 rows. For all of them, ' +
      "give the task's files with --data-dir or DIFFORA_DATA.";
    expect(test.lines.warn).toEqual([warning, warning]);
  });

  it('sends HF_TOKEN, which stands in no message', async () => {
    const dataset = parquetDataset(await glueFiles());
    await test.restart({ 'datasets/nyu-mll/glue': dataset }, 'hf_right');
    const { message } = await errorOf(hubTable(train, test.options({ HF_TOKEN: 'hf_wrong' })));
    expect(message).toMatch(/knows no dataset "nyu-mll\/glue", or it is private \(set HF_TOKEN then\)/);
    expect(message).not.toContain('hf_wrong');
    expect((await hubTable(train, test.options({ HF_TOKEN: 'hf_right' }))).rows).toHaveLength(3);
    expect(JSON.stringify(test.lines)).not.toContain('hf_right');
  });
});

describe('a cache that need not be whole', () => {
  /** What Python leaves when it was asked for the first file, or was stopped after it. */
  async function pythonCache(): Promise<void> {
    await mkdir(snapshot('cola/train'), { recursive: true });
    await writeFile(snapshot('cola/train/0000.parquet'), (await glueFiles())['cola/train/0000.parquet']!);
    const ref = join(root(), 'refs/refs/convert/parquet');
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, COMMIT);
  }

  it('is completed from the hub', async () => {
    await pythonCache();
    expect(sentences(await hubTable(train, test.options()))).toEqual(['one', 'two', 'three']);
    expect(sentences(await hubTable(train, test.options(OFFLINE)))).toEqual(['one', 'two', 'three']);
  });

  it('is taken with a warning where the hub cannot be asked', async () => {
    await pythonCache();
    expect(sentences(await hubTable(train, test.options(OFFLINE)))).toEqual(['one', 'two']);
    expect(test.lines.warn).toEqual([
      `Data nyu-mll/glue cola/train: from the local cache ${snapshot('cola/train')}, which has 1 file of it. ` +
        'There may be more, and HF_HUB_OFFLINE is set.',
    ]);
  });

  it('is fetched anew where a file was removed', async () => {
    await hubTable(train, test.options());
    await rm(join(root(), 'blobs'), { recursive: true });
    expect((await hubTable(train, test.options())).rows).toHaveLength(3);
  });

  it('names the file that is damaged, and what to do with it', async () => {
    await hubTable(train, test.options());
    const [blob] = await readdir(join(root(), 'blobs'));
    await truncate(join(root(), 'blobs', blob!), 20);
    const { message } = await errorOf(hubTable(train, test.options()));
    expect(message).toMatch(/blobs\/[0-9a-f]+ cannot be read as Parquet/);
    expect(message).toMatch(/Remove it, and nyu-mll\/glue cola\/train is fetched anew\.$/);
    await unlink(join(root(), 'blobs', blob!));
    expect((await hubTable(train, test.options())).rows).toHaveLength(3);
  });
});

describe('a split that is not to be had', () => {
  const otherWay = "give the task's files with --data-dir or DIFFORA_DATA.";

  it.each<[string, Record<string, string>, RegExp]>([
    ['offline', OFFLINE, /HF_HUB_OFFLINE is set/],
    ['without a hub', { HF_ENDPOINT: 'http://127.0.0.1:1' }, /http:\/\/127.0.0.1:1 cannot be reached \(/],
  ])('names the cache, the reason and the other way %s', async (_, env, reason) => {
    const { message } = await errorOf(hubTable(train, test.options(env)));
    expect(message).toContain(`nyu-mll/glue cola/train is not in the local cache ${join(test.folder, 'hub')}, and `);
    expect(message).toMatch(reason);
    expect(message).toContain(`Go online, or ${otherWay}`);
  });

  it.each([
    [{ split: 'dev' }, 'no split "dev" of "cola" on the hub; it has "test", "train", "validation".'],
    [{ config: 'colla' }, 'no configuration "colla" on the hub; it has "cola", "mnli", "mrpc",'],
  ])('lists what there is for %j, and leaves no trace', async (wrong, reason) => {
    const { message } = await errorOf(hubTable({ ...train, ...wrong }, test.options()));
    expect(message).toContain(`nyu-mll/glue has ${reason}`);
    expect(message).toContain(`Choose one of those, or ${otherWay}`);
    expect(await readdir(test.folder)).toEqual([]);
  });

  it('says that a dataset is unknown, was not converted, or is gated', async () => {
    const unknown = await errorOf(hubTable({ ...train, repository: 'nyu/glue' }, test.options()));
    expect(unknown.message).toContain(`${test.hub.endpoint} knows no dataset "nyu/glue"`);
    expect(unknown.message).toContain(`Did you mean nyu-mll/glue? Or ${otherWay}`);
    await test.restart({ 'datasets/nyu-mll/glue': { files: {} } });
    expect((await errorOf(hubTable(train, test.options()))).message).toContain(
      `no revision "refs/convert/parquet" of nyu-mll/glue. The hub may not have converted that dataset. Or ${otherWay}`,
    );
    test.hub.intercept = (_, response) => {
      response.writeHead(403, { 'content-type': 'text/html', 'x-error-code': 'GatedRepo' }).end('gated');
      return true;
    };
    expect((await errorOf(hubTable(train, test.options()))).message).toContain(
      `accept its conditions on ${test.hub.endpoint}/datasets/nyu-mll/glue and set HF_TOKEN. Or ${otherWay}`,
    );
  });

  it('refuses files that are not numbered as they should be', async () => {
    const { 'cola/train/0001.parquet': second } = await glueFiles();
    await test.restart({ 'datasets/nyu-mll/glue': parquetDataset({ 'cola/train/0001.parquet': second! }) });
    expect((await errorOf(hubTable(train, test.options()))).message).toContain(
      'nyu-mll/glue has "cola/train/0001.parquet", and not 0000.parquet and so on',
    );
  });

  it('stops at once when it is aborted', async () => {
    const signal = AbortSignal.abort();
    await expect(hubTable(train, test.options({}, { signal }))).rejects.toThrow(/abort/i);
    expect(test.hub.requests).toEqual([]);
  });
});
