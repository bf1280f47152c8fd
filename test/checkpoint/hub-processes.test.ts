import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resultOf } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { REPOSITORY } from '../shared.js';
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
async function inspect(): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = { ...process.env, HF_ENDPOINT: hub.endpoint, HF_HOME: folder };
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', 'inspect', 'org/tiny', '--json'], {
    cwd: REPOSITORY,
    env,
  });
  const outcome = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    outcome.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    outcome.stderr += chunk;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...outcome };
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
