import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { HubTableOptions } from '../../../src/data/hub/hubTable.js';
import { type FakeRepository, type HubServer, startHub } from '../../checkpoint/hub-server.js';

const FIXTURES = join(import.meta.dirname, '../fixtures');

/** GLUE in small, as test/oracle/parquet_files.py has written it: the files of the hub's Parquet revision. */
export const glueFiles = () => filesBelow(join(FIXTURES, 'glue'));

/** The other sets in small, by the names that they have on the hub, as written there too. */
export async function otherDatasets(): Promise<Record<string, FakeRepository>> {
  const folder = join(FIXTURES, 'datasets');
  const names = (await readdir(folder, { recursive: true })).filter((path) => path.split(sep).length === 2);
  const datasets = names.map(async (name) => {
    return [`datasets/${name}`, parquetDataset(await filesBelow(join(folder, name)))] as const;
  });
  return Object.fromEntries(await Promise.all(datasets));
}

async function filesBelow(folder: string): Promise<Record<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const files = paths.sort().map(async (path) => [relative(folder, path), await readFile(path)] as const);
  return Object.fromEntries(await Promise.all(files));
}

/** A dataset on the revision of its Parquet files. */
export function parquetDataset(files: FakeRepository['files']): FakeRepository {
  return { files, revision: 'refs/convert/parquet' };
}

export interface HubUnderTest {
  hub: HubServer;
  /** Folder of HF_HOME; it begins empty. */
  folder: string;
  lines: { info: string[]; warn: string[] };
  /** Options that ask this hub, through that folder. */
  options(env?: Record<string, string>, more?: Partial<HubTableOptions>): HubTableOptions;
  /** Puts another hub in the place of the first. */
  restart(repositories: Record<string, FakeRepository>, token?: string): Promise<void>;
}

/** A hub with the small GLUE, anew for each test of the file. */
export function glueHub(): HubUnderTest {
  const test = {
    options: (env = {}, more = {}) => ({
      info: (line) => test.lines.info.push(line),
      warn: (line) => test.lines.warn.push(line),
      env: { HOME: test.folder, HF_HOME: test.folder, HF_ENDPOINT: test.hub.endpoint, ...env },
      patience: { firstContact: 60_000, stall: 60_000 },
      ...more,
    }),
    restart: async (repositories, token) => {
      await test.hub.close();
      test.hub = await startHub(repositories, token);
    },
  } as HubUnderTest;
  beforeEach(async () => {
    test.folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-data-hub-')));
    test.hub = await startHub({ 'datasets/nyu-mll/glue': parquetDataset(await glueFiles()) });
    test.lines = { info: [], warn: [] };
  });
  afterEach(async () => {
    await test.hub.close();
    await rm(test.folder, { recursive: true, force: true });
  });
  return test;
}
