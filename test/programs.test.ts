import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPeftAdapter } from '../src/adapters/peft/index.js';
import type { LabelPrediction } from '../src/index.js';
import { temporaryFolder, tinyModel } from './cli/run.js';
import { built, startNode } from './cli/started.js';
import { REPOSITORY } from './shared.js';

/** They import `diffora`: the compiled package, in which they lie. CI runs them with the packed one as well. */
const start = (name: string, ...args: readonly string[]) =>
  startNode([built('examples', 'programs', `${name}.js`), ...args], {
    env: { ...process.env, DIFFORA_EXAMPLE_MODEL: tinyModel },
  });

/** What a program prints. */
async function printed(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await start(name, ...args).ended;
  expect(code, stderr).toBe(0);
  // No bar is drawn where there is no terminal.
  expect(stdout + stderr).not.toContain('\r');
  return stdout;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let tickets: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  tickets = await printed('tickets', folder.path('tickets'));
});
afterAll(() => folder.remove());

describe('the programs in examples/programs', () => {
  it('are these five', () => {
    const programs = readdirSync(`${REPOSITORY}/examples/programs`).filter((name) => name.endsWith('.ts'));
    expect(programs.sort()).toEqual(['graph.ts', 'resume.ts', 'selections.ts', 'server.ts', 'tickets.ts']);
  });

  it('tickets trains on a CSV file, predicts, and saves an adapter', async () => {
    expect(tickets).toContain('kept: 9 of 18 modules');
    expect(tickets.match(/^(billing|technical) \(0\.\d\d\): /gm)).toHaveLength(2);
    const { baseModel, targetModules } = await readPeftAdapter(folder.path('tickets'));
    expect([baseModel, targetModules.length]).toEqual([tinyModel, 9]);
  });

  it('selections compares three matrices of the same size', async () => {
    const text = await printed('selections');
    expect(text.match(/kept: 9 of 18 modules {3}values: (diffora|gradient-norm|random)/g)).toHaveLength(3);
    expect(text.match(/: accuracy [01]\.\d{3} and [01]\.\d{3}$/gm)).toHaveLength(3);
  });

  it('server answers, refuses what is no list of texts, and ends when it is told to', async () => {
    const server = start('server', folder.path('tickets'), '0');
    try {
      await server.says(' predicts ');
      const [address] = /http:\/\/\S+/.exec(server.said.stdout)!;
      const post = (body: string) => fetch(address, { method: 'POST', body });
      const [good, also, bad, broken] = await Promise.all(['["one","two"]', '["two"]', '{"a":1}', '['].map(post));
      const predictions = (await good!.json()) as LabelPrediction[];
      expect(predictions).toMatchObject([{ label: expect.any(String) }, { label: expect.any(String) }]);
      expect(await also!.json()).toMatchObject([{ label: predictions[1]!.label }]);
      expect([bad!.status, broken!.status]).toEqual([400, 400]);
      server.child.kill('SIGTERM');
      expect(await server.ended).toMatchObject({ code: 0 });
    } finally {
      server.child.kill('SIGKILL');
    }
  });

  it('resume stops, goes on, and ends with a complete run', async () => {
    const output = folder.path('resumed');
    expect(await printed('resume', '30', output)).toContain('stopped; start again with the same folder to go on');
    const last = await printed('resume', '240', output);
    expect(last).toMatch(/Going on from .*step-30\b/);
    expect(last).toContain('finished after 240 steps');
    expect((await readdir(output)).sort()).toEqual(['adapter', 'metrics.jsonl', 'progress.jsonl', 'run.json']);
  });

  it('graph finds the exponent by a derivative of a derivative', async () => {
    expect(await printed('graph')).toContain('step 7: a = 0.7000');
  });
});
