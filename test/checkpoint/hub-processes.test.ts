import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resultOf } from '../cli/run.js';
import { built, startNode } from '../cli/started.js';
import { oraclePath } from '../fixtures.js';
import { type HubServer, startHub } from './hub-server.js';

let folder: string;
let hub: HubServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-hub-processes-'));
  const names = await readdir(oraclePath('tiny-bert-backbone'));
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(oraclePath('tiny-bert-backbone', name))]),
  );
  hub = await startHub({ 'org/tiny': { files: Object.fromEntries(files) } });
});
afterAll(async () => {
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

/** `diffora inspect org/tiny --json` as a process of its own. */
function inspect() {
  const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HOME: folder };
  return startNode([built('dist', 'cli', 'main.js'), 'inspect', 'org/tiny', '--json'], { env }).ended;
}

describe('three processes that want one model at once', () => {
  it('all get it, from one cache, with nothing left over', async () => {
    const outcomes = await Promise.all([inspect(), inspect(), inspect()]);
    for (const { code, stdout, stderr } of outcomes) {
      expect(code, stderr).toBe(0);
      expect(resultOf(stdout)).toMatchObject({ family: 'BERT', layers: 3 });
    }
    const left = (await readdir(folder, { recursive: true })).filter((name) => /partial|diffora-part/.test(name));
    expect(left).toEqual([]);
  });
});
