import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll } from 'vitest';
import { resolveModel } from '../../src/checkpoint/resolve.js';
import { hubTable } from '../../src/data/hub/hubTable.js';
import { COMMIT, type HubServer, startHub } from '../checkpoint/hub-server.js';
import { rawFile } from '../checkpoint/make.js';
import { nightly } from '../nightly.js';
import { scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';

const path = scratch();

const weights = rawFile(JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }), new Uint8Array(8));
const files = { 'config.json': Buffer.from('{}'), 'model.safetensors': weights, 'tokenizer.json': Buffer.from('{}') };

let hub: HubServer;
beforeAll(async () => {
  hub = await startHub({
    'org/tiny': { files },
    'datasets/org/rows': { files: { 'a/train/0000.parquet': Buffer.alloc(3) } },
  });
});
afterAll(() => hub.close());

let count = 0;
/** An empty cache for each download. */
function environment(): Record<string, string> {
  return { PATH: '', HOME: path(), HF_HOME: path(`cache-${count++}`), HF_ENDPOINT: hub.endpoint };
}

const quiet = { log: () => {}, warn: () => {}, patience: { firstContact: 60_000, stall: 60_000 } };

/** Answers what the URL matches with a text of JSON. */
function answer(matching: RegExp, text: string): void {
  hub.intercept = (request, response) => {
    if (!matching.test(request.url ?? '')) return false;
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    return true;
  };
}

const sha = '0'.repeat(40);
const info = {
  _id: 'x',
  id: 'org/tiny',
  sha: COMMIT,
  siblings: [{ rfilename: 'config.json' }, { rfilename: 'model.safetensors' }],
};
const facts = { private: false, gated: false, downloads: 0, likes: 0, lastModified: '2024-01-01T00:00:00Z' };
const entry = {
  type: 'file',
  path: 'config.json',
  size: 2,
  oid: sha,
  lfs: { oid: '0'.repeat(64), size: 2, pointerSize: 134 },
};
const answers: Readonly<Record<string, readonly [matching: RegExp, value: unknown]>> = {
  'what the hub says of a model': [/\/api\/models\/org\/tiny\/revision/, { ...info, ...facts }],
  'what the hub says of files': [/\/paths-info\//, [entry, { ...entry, path: 'model.safetensors' }]],
};

// Each takes requests over the loopback, so that fewer must do.
const some = nightly ? 600 : 60;

for (const [what, [matching, value]] of Object.entries(answers)) {
  survivesValues(what, mangled(value), async () => {
    const read = async (text: string) => {
      answer(matching, text);
      const env = environment();
      await resolveModel('org/tiny', { ...quiet, env }).finally(() =>
        rm(env.HF_HOME!, { recursive: true, force: true }),
      );
    };
    return { read, names: [hub.endpoint, 'org/tiny'], count: some };
  });
}

survivesValues('what the hub says of a dataset', mangled([{ ...entry, path: 'a/train/0000.parquet' }]), async () => {
  const read = async (text: string) => {
    answer(/\/tree\//, text);
    const env = environment();
    const wanted = { repository: 'org/rows', config: 'a', split: 'train' };
    await hubTable(wanted, { ...quiet, env }).finally(() => rm(env.HF_HOME!, { recursive: true, force: true }));
  };
  return { read, names: [hub.endpoint, 'org/rows'], count: some };
});

survivesValues('a name of a revision in the cache', fc.string({ unit: 'binary' }), async () => {
  hub.intercept = undefined;
  const env: Record<string, string> = { ...environment(), HF_HUB_OFFLINE: '1' };
  const refs = join(env.HF_HOME!, 'hub', 'models--org--tiny', 'refs');
  await mkdir(refs, { recursive: true });
  const read = async (text: string) => {
    await writeFile(join(refs, 'main'), text);
    await resolveModel('org/tiny', { ...quiet, env });
  };
  return { read, names: [env.HF_HOME!] };
});

survivesBytes('an index of shards in the cache', async () => {
  const env: Record<string, string> = { ...environment(), HF_HUB_OFFLINE: '1' };
  const repository = join(env.HF_HOME!, 'hub', 'models--org--tiny');
  const snapshot = join(repository, 'snapshots', COMMIT);
  for (const folder of [snapshot, join(repository, 'refs')]) await mkdir(folder, { recursive: true });
  await writeFile(join(repository, 'refs', 'main'), COMMIT);
  for (const name of ['config.json', 'tokenizer.json', 'model-1.safetensors'])
    await writeFile(join(snapshot, name), '{}');
  const index = join(snapshot, 'model.safetensors.index.json');
  await writeFile(index, JSON.stringify({ weight_map: { a: 'model-1.safetensors' } }));
  return { path: index, read: () => resolveModel('org/tiny', { ...quiet, env }), names: [env.HF_HOME!] };
});
