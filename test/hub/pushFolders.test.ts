import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { withLicense } from '../../src/jobs/push/licensed.js';
import { diffora, trainedReviews } from '../cli/run.js';
import { modelOf } from '../export/models.js';
import { repo, token } from './pushed.js';
import { type PushHub, startPushHub } from './pushHub.js';

let trained: Awaited<ReturnType<typeof trainedReviews>>;
let hub: PushHub;
beforeAll(async () => {
  trained = await trainedReviews();
  const { run, folder } = trained;
  const llama = await modelOf('llama', folder.path('llama'));
  const done = await Promise.all([
    diffora('merge', '--adapter', run, '--output', folder.path('merged')),
    diffora('export', '--adapter', run, '--format', 'onnx', '--output', folder.path('onnx')),
    diffora('export', '--model', llama, '--format', 'gguf', '--dtype', 'f32,q8_0', '--output', folder.path('gguf')),
  ]);
  for (const { code, stderr } of done) expect(code, stderr).toBe(0);
});
afterAll(() => trained.folder.remove());
beforeEach(async () => {
  hub = await startPushHub(token, { chunk: 30_000 });
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', token);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
});

/** Paths of all files below a folder. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name).slice(folder.length + 1));
}

const metadataOf = (card: Buffer) => parse(card.toString().split('---\n')[1]!);

describe('--export', () => {
  it.each<[name: string, message: string, metadata: object]>([
    ['merged', 'Upload model with diffora', { library_name: 'transformers', pipeline_tag: 'text-classification' }],
    [
      'onnx',
      'Upload ONNX export with diffora',
      { library_name: 'transformers.js', pipeline_tag: 'text-classification' },
    ],
    ['gguf', 'Upload GGUF export with diffora', { library_name: 'gguf', pipeline_tag: 'text-generation' }],
  ])('puts every byte of a folder on the hub: %s', async (name, message, metadata) => {
    const folder = trained.folder.path(name);
    const { code, stderr } = await diffora('push', '--export', folder, '--repo', repo);
    expect(code, stderr).toBe(0);
    const { files, commits } = hub.repositories[repo]!;
    expect(commits).toEqual([`main: ${message}`]);
    expect(Object.keys(files).sort()).toEqual((await filesIn(folder)).sort());
    for (const [path, content] of Object.entries(files)) {
      expect(content.equals(await readFile(join(folder, path))), path).toBe(true);
    }
    // The base model is a path of this machine, which the hub would refuse.
    expect(metadataOf(files['README.md']!)).toEqual({ ...metadata, tags: ['diffora'] });
  });

  it('is not for adapters, nor --adapter for others, and one of them has to be there', async () => {
    const given = (...flags: string[]) => diffora('push', ...flags, '--repo', repo);
    const { run, folder } = trained;
    const said = async (...flags: string[]) => (await given(...flags)).stderr;
    expect(await said('--export', run)).toContain(`Push it with --adapter ${run}`);
    expect(await said('--adapter', folder.path('onnx'))).toContain(`Push it with --export ${folder.path('onnx')}`);
    expect(await given()).toMatchObject({ code: 2, stderr: expect.stringContaining('Name what is to be pushed') });
    expect(await given('--adapter', run, '--export', run)).toMatchObject({ code: 2 });
    expect(hub.requests).toEqual([]);
  });
});

describe('--license', () => {
  it('stands in the metadata of the card on the hub, beside what was there, and the folder stays as it is', async () => {
    const own = await readFile(join(trained.run, 'adapter', 'README.md'));
    const { code, stderr } = await diffora('push', '--adapter', trained.run, '--repo', repo, '--license', 'mit');
    expect(code, stderr).toBe(0);
    const card = hub.repositories[repo]!.files['README.md']!;
    expect(metadataOf(card)).toEqual({ ...metadataOf(own), license: 'mit' });
    expect(card.toString().split('---\n').slice(2)).toEqual(own.toString().split('---\n').slice(2));
    expect((await readFile(join(trained.run, 'adapter', 'README.md'))).equals(own)).toBe(true);
    const again = await diffora('push', '--adapter', trained.run, '--repo', repo, '--license', 'mit');
    expect(again.stdout).toContain('nothing changed');
    const wrong = await diffora('push', '--adapter', trained.run, '--repo', repo, '--license', 'My Licence');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a name that the hub has') });
  });

  it.each([
    ['', '---\nlicense: mit\n---\n'],
    ['# A\n\n---\nb: c\n---\n', '---\nlicense: mit\n---\n# A\n\n---\nb: c\n---\n'],
    ['---\nlicense: other\ntags: [a]\n---\n# A\n', '---\nlicense: mit\ntags: [ a ]\n---\n# A\n'],
    ['---\r\ntags:\r\n- a\r\n---\r\n# A\n', '---\ntags:\n  - a\nlicense: mit\n---\n# A\n'],
  ])('comes to stand in %j', (before, after) => {
    expect(withLicense(before, 'mit', 'README.md')).toBe(after);
  });

  it('refuses metadata that are none', async () => {
    expect(() => withLicense('---\n- a\n---\n', 'mit', 'README.md')).toThrow('no YAML by name');
    expect(() => withLicense('---\na: [\n---\n', 'mit', 'README.md')).toThrow(/README.md: its metadata .* no YAML/);
    const adapter = trained.folder.path('mine');
    await diffora('export', '--adapter', trained.run, '--format', 'onnx', '--output', adapter, '--dtype', 'fp32');
    await writeFile(join(adapter, 'README.md'), '---\na: [\n---\n');
    const { code, stderr } = await diffora('push', '--export', adapter, '--repo', repo, '--license', 'mit');
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('Mend them') });
    expect(hub.requests).toEqual([]);
  });
});
