import { lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { type ResolveOptions, resolveModel } from '../../src/checkpoint/resolve.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { COMMIT, type FakeRepository, type HubServer, startHub } from './hub-server.js';
import { failure, rawFile } from './make.js';

const weights = (name: string, count: number) =>
  rawFile(
    JSON.stringify({ [name]: { dtype: 'F32', shape: [count], data_offsets: [0, 4 * count] } }),
    new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer),
  );
const text = (value: unknown) => Buffer.from(JSON.stringify(value));

const COUNT = 100_000;
const MODELS: Record<string, FakeRepository> = {
  'org/tiny': {
    files: {
      'config.json': text({ model_type: 'bert' }),
      'model.safetensors': weights('w', COUNT),
      'tokenizer.json': text({ version: '1.0' }),
      'vocab.txt': Buffer.from('[PAD]\n'),
      'pytorch_model.bin': Buffer.alloc(2_000),
      'modules.json': text([]),
      '1_Pooling/config.json': text({}),
      '2_Dense/config.json': text({}),
      'onnx/config.json': text({}),
    },
  },
  'org/sharded': {
    files: {
      'config.json': text({}),
      'model.safetensors.index.json': text({ weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } }),
      'model-1.safetensors': weights('a', 2),
      'model-2.safetensors': weights('b', 3),
    },
  },
  'org/old': {
    files: { 'config.json': text({}), 'pytorch_model.bin': Buffer.alloc(10), 'vocab.txt': Buffer.alloc(1) },
  },
  'org/flax': { files: { 'config.json': text({}), 'flax_model.msgpack': Buffer.alloc(10) } },
  'org/one-gguf': { files: { 'README.md': Buffer.alloc(1), 'a-Q8_0.gguf': Buffer.alloc(20) } },
  'org/ggufs': { files: { 'a-Q4_K_M.gguf': Buffer.alloc(20), 'a-Q4_K_S.gguf': Buffer.alloc(30) } },
  'org/data': { files: { 'train.csv': Buffer.from('a,b\n') } },
  'org/sentences': {
    files: { 'modules.json': Buffer.from('[]'), '0_Transformer/config.json': Buffer.from('{}') },
  },
};

let folder: string;
let hub: HubServer;
let lines: { log: string[]; warn: string[] };
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-hub-')));
  hub = await startHub(MODELS);
  lines = { log: [], warn: [] };
});
afterEach(async () => {
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

const patientFor = (milliseconds: number) => ({ firstContact: milliseconds, stall: milliseconds });

function options(more: Partial<ResolveOptions> = {}, env: Record<string, string> = {}): ResolveOptions {
  return {
    log: (line) => lines.log.push(line),
    warn: (line) => lines.warn.push(line),
    env: { PATH: '', HOME: folder, HF_HOME: join(folder, 'hf'), HF_ENDPOINT: hub.endpoint, ...env },
    patience: patientFor(60_000),
    ...more,
  };
}
const repository = (id: string) => join(folder, 'hf', 'hub', `models--${id.replace('/', '--')}`);

/** Every file of the cache that has a final name. */
async function finished(): Promise<string[]> {
  const all = await readdir(join(folder, 'hf'), { recursive: true, withFileTypes: true }).catch(() => []);
  return all
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

describe('resolveModel from the hub', () => {
  it('fetches config, weights, tokenizer and how vectors are made into the layout of the Python cache, and nothing else', async () => {
    const progress: number[] = [];
    const found = await resolveModel(
      'org/tiny',
      options({ onProgress: ({ receivedBytes }) => progress.push(receivedBytes) }),
    );
    expect(found).toEqual({
      folder: join(repository('org/tiny'), 'snapshots', COMMIT),
      source: 'hub',
      revision: COMMIT,
    });
    expect(lines.log).toEqual([`Model org/tiny: from the hub ${hub.endpoint}, now in ${found.folder}`]);
    const total = [
      '1_Pooling/config.json',
      'config.json',
      'model.safetensors',
      'modules.json',
      'tokenizer.json',
      'vocab.txt',
    ];
    const there = await readdir(found.folder, { recursive: true });
    expect(there.filter((name) => name !== '1_Pooling').sort()).toEqual(total);
    expect((await lstat(join(found.folder, 'model.safetensors'))).isSymbolicLink()).toBe(true);
    expect(await readFile(join(repository('org/tiny'), 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(Math.max(...progress)).toBe(total.reduce((sum, file) => sum + MODELS['org/tiny']!.files[file]!.length, 0));

    const checkpoint = await openCheckpoint(found.folder, 'org/tiny');
    const tensor = checkpoint.tensors.get('w')!;
    expect(tensor.file).toContain(join(repository('org/tiny'), 'blobs'));
    expect((await readTensor(tensor))[COUNT - 1]).toBe(COUNT - 1);
  });

  it('takes the cache the second time, without asking the hub, also by commit', async () => {
    const first = await resolveModel('org/tiny', options());
    hub.requests.length = 0;
    for (const name of ['org/tiny', 'org/tiny@main', `org/tiny@${COMMIT}`]) {
      const again = await resolveModel(name, options());
      expect(again).toEqual({ folder: first.folder, source: 'cache', revision: COMMIT });
    }
    expect(hub.requests).toEqual([]);
    expect(lines.log).toHaveLength(4);
    expect(lines.log[1]).toBe(`Model org/tiny: from the local cache ${first.folder}`);
  });

  it('fetches pytorch_model.bin where there is nothing better', async () => {
    const { folder: found } = await resolveModel('org/old', options());
    expect((await readdir(found)).sort()).toEqual(['config.json', 'pytorch_model.bin', 'vocab.txt']);
    expect((await resolveModel('org/old', options())).source).toBe('cache');
  });

  it.each([
    ['org/one-gguf', 'a-Q8_0.gguf'],
    ['org/ggufs:q4_k_s', 'a-Q4_K_S.gguf'],
    ['org/ggufs:Q4_K_M@main', 'a-Q4_K_M.gguf'],
  ])('fetches the one GGUF file that %s means', async (name, file) => {
    const first = await resolveModel(name, options());
    expect(first.file).toBe(join(first.folder, file));
    expect(await readdir(first.folder)).toEqual([file]);
    expect(await resolveModel(name, options())).toEqual({ ...first, source: 'cache' });
  });

  it('fetches all shards, and remembers that there is no tokenizer.json', async () => {
    const found = await resolveModel('org/sharded', options());
    expect([...(await openCheckpoint(found.folder)).tensors.keys()]).toEqual(['a', 'b']);
    expect((await resolveModel('org/sharded', options())).source).toBe('cache');
  });

  it('completes a cache that Python has filled in part', async () => {
    const snapshot = join(repository('org/tiny'), 'snapshots', COMMIT);
    await mkdir(snapshot, { recursive: true });
    await mkdir(join(repository('org/tiny'), 'refs'));
    await writeFile(join(repository('org/tiny'), 'refs', 'main'), COMMIT);
    await writeFile(join(snapshot, 'config.json'), '{}');
    expect((await resolveModel('org/tiny', options())).source).toBe('hub');
  });

  it.each<[string, Record<string, string>, boolean]>([
    ['HUGGING_FACE_HUB_TOKEN', { HUGGING_FACE_HUB_TOKEN: 'hf_right' }, false],
    ['the file that Python logs in with', {}, true],
  ])('takes the token of %s', async (_, env, file) => {
    await hub.close();
    hub = await startHub(MODELS, 'hf_right');
    if (file) {
      await mkdir(join(folder, 'hf'), { recursive: true });
      await writeFile(join(folder, 'hf', 'token'), 'hf_right\n');
    }
    expect((await resolveModel('org/tiny', options({}, env))).source).toBe('hub');
  });

  it('sends HF_TOKEN, and refuses a token that is none', async () => {
    await hub.close();
    hub = await startHub(MODELS, 'hf_secret');
    expect((await failure(resolveModel('org/tiny', options()))).message).toContain('set HF_TOKEN');
    expect((await resolveModel('org/tiny', options({}, { HF_TOKEN: 'hf_secret' }))).source).toBe('hub');
    const error = await failure(resolveModel('org/old', options({}, { HF_TOKEN: 'secret' })));
    expect(error.message).toContain('HF_TOKEN is not a token of the hub');
    expect(error.message).not.toContain('secret"');
  });

  it('sends the token to the endpoint alone, not to the server that it sends to for large files', async () => {
    const data = MODELS['org/tiny']!.files['model.safetensors']!;
    const received: (string | undefined)[] = [];
    const store = createServer((request, response) => {
      received.push(request.headers.authorization);
      const size = String(data.length);
      // @huggingface/hub fetches from the store itself, with the token, where it says that it is CloudFront.
      const headers = { etag: '"x"', 'x-cache': 'Hit from cloudfront', 'content-range': `bytes 0-0/${size}` };
      if (request.headers.range) response.writeHead(206, headers).end(data.subarray(0, 1));
      else response.writeHead(200, { ...headers, 'content-length': size }).end(data);
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = store.address() as AddressInfo;
      hub.intercept = (request, response) => {
        if (!request.url?.endsWith('/model.safetensors')) return false;
        response.writeHead(302, { location: `http://127.0.0.1:${port}/blob` }).end();
        return true;
      };
      await resolveModel('org/tiny', options({}, { HF_TOKEN: 'hf_secret' }));
      expect(received.length).toBeGreaterThan(1);
      expect(new Set(received)).toEqual(new Set([undefined]));
    } finally {
      await new Promise((resolve) => store.close(resolve));
    }
  });

  it('says that a name is unknown or private and gives similar ones, and leaves the cache alone', async () => {
    const error = await failure(resolveModel('orgg/tiny', options()));
    expect(error.message).toBe(
      `${hub.endpoint} knows no model "orgg/tiny", or it is private (set HF_TOKEN then). Check the spelling. Did you mean org/tiny?`,
    );
    expect(await finished()).toEqual([]);
    expect(lines.log).toEqual([]);
  });

  it.each<[string, RegExp]>([
    ['org/tiny@v9', /no revision "v9" of org\/tiny/],
    ['org/flax', /org\/flax has neither model.safetensors nor pytorch_model.bin nor a GGUF file/],
    ['org/ggufs', /several GGUF files: a-Q4_K_M.gguf, a-Q4_K_S.gguf. Choose one, as in org\/ggufs:Q8_0/],
    ['org/ggufs:Q4_K', /no GGUF file of "Q4_K". It has a-Q4_K_M.gguf, a-Q4_K_S.gguf/],
    ['org/tiny:Q8_0', /It has no GGUF files at all/],
    [
      'org/sentences',
      /org\/sentences is a sentence-transformers model whose transformer lies in a folder .*0_Transformer/,
    ],
    ['org/data', /org\/data is not a transformers model: it has no config.json/],
  ])('explains why %s cannot be used', async (name, message) => {
    expect((await failure(resolveModel(name, options()))).message).toMatch(message);
  });

  it('names the page where the conditions of a gated model are accepted', async () => {
    hub.intercept = (_, response) => {
      response.writeHead(403, { 'content-type': 'text/html', 'x-error-code': 'GatedRepo' }).end('gated');
      return true;
    };
    expect((await failure(resolveModel('org/tiny', options()))).message).toContain(
      `on ${hub.endpoint}/org/tiny and set`,
    );
  });
});

describe('a download that fails', () => {
  const isWeights = (url: string | undefined) => url?.endsWith('/model.safetensors') ?? false;

  const probes = (range: string | undefined) => range === 'bytes=0-0';

  /** Options of a download whose connection breaks as soon as so many bytes of the weights are on the disk. */
  function breaking() {
    let due: { readonly bytes: number; readonly response: ServerResponse } | undefined;
    const size = MODELS['org/tiny']!.files['model.safetensors']!.length;
    const all = options({
      // The weights are fetched last.
      onProgress: ({ file, receivedBytes, totalBytes }) => {
        if (file !== 'model.safetensors' || due === undefined) return;
        if (size - (totalBytes - receivedBytes) < due.bytes) return;
        due.response.destroy();
        due = undefined;
      },
    });
    const breakAfter = (bytes: number, response: ServerResponse) => {
      due = { bytes, response };
    };
    return { options: all, breakAfter };
  }

  it('goes on where the connection was cut, again and again', async () => {
    const starts: number[] = [];
    const { options, breakAfter } = breaking();
    hub.intercept = (request, response) => {
      if (!isWeights(request.url) || probes(request.headers.range)) return false;
      const data = MODELS['org/tiny']!.files['model.safetensors']!;
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      starts.push(start);
      const [end, status] = [Math.min(start + 150_000, data.length), start === 0 ? 200 : 206];
      const headers = { 'content-length': String(data.length - start) };
      response.writeHead(status, { ...headers, 'content-range': `bytes ${start}-${data.length - 1}/${data.length}` });
      if (end < data.length) breakAfter(end, response);
      response.write(data.subarray(start, end));
      if (end === data.length) response.end();
      return true;
    };
    const { folder: found } = await resolveModel('org/tiny', options);
    const { tensors } = await openCheckpoint(found);
    expect((await readTensor(tensors.get('w')!)).at(-1)).toBe(COUNT - 1);
    expect(starts).toEqual([0, 150_000, 300_000]);
  });

  it('leaves nothing that looks finished when the hub goes away, and takes up what it had the next time', async () => {
    let cut = false;
    const { options: broken, breakAfter } = breaking();
    hub.intercept = (request, response) => {
      if (cut) return response.destroy() !== undefined;
      if (!isWeights(request.url) || probes(request.headers.range)) return false;
      const data = MODELS['org/tiny']!.files['model.safetensors']!;
      response.writeHead(200, { 'content-length': String(data.length) });
      cut = true;
      breakAfter(200_000, response);
      response.write(data.subarray(0, 200_000));
      return true;
    };
    const error = await failure(resolveModel('org/tiny', broken));
    expect(error.message).toMatch(/^org\/tiny is not \(or not wholly\) in the local cache .* cannot be reached/);
    expect(await finished()).not.toContain('model.safetensors');
    expect((await finished()).filter((name) => name.includes('partial'))).toEqual([]);
    expect((await finished()).filter((name) => name.endsWith('.diffora-part'))).toHaveLength(1);
    expect((await failure(resolveModel('org/tiny', options({}, { HF_HUB_OFFLINE: '1' })))).message).toContain(
      'not wholly',
    );
    const ranges: string[] = [];
    hub.intercept = (request) => {
      if (isWeights(request.url)) ranges.push(request.headers.range ?? 'whole');
      return false;
    };
    expect((await resolveModel('org/tiny', options())).source).toBe('hub');
    expect(ranges.filter((range) => !probes(range))).toEqual([expect.stringMatching(/^bytes=200000-/)]);
    expect((await finished()).filter((name) => name.endsWith('.diffora-part'))).toEqual([]);
  });

  it('starts over where the server knows no ranges', async () => {
    let whole = 0;
    const { options, breakAfter } = breaking();
    hub.intercept = (request, response) => {
      if (!isWeights(request.url) || probes(request.headers.range)) return false;
      const data = MODELS['org/tiny']!.files['model.safetensors']!;
      response.writeHead(200, { 'content-length': String(data.length) });
      if (whole++ === 0) {
        breakAfter(100_000, response);
        response.write(data.subarray(0, 100_000));
      } else response.end(data);
      return true;
    };
    const { folder: found } = await resolveModel('org/tiny', options);
    expect((await openCheckpoint(found)).tensors.size).toBe(1);
  });

  it('serves two that fetch the same model at once, and asks for its weights once', async () => {
    let fetched = 0;
    hub.intercept = (request) => {
      if (isWeights(request.url) && !probes(request.headers.range)) fetched++;
      return false;
    };
    const both = await Promise.all([resolveModel('org/tiny', options()), resolveModel('org/tiny', options())]);
    expect(both[0]!.folder).toBe(both[1]!.folder);
    expect((await openCheckpoint(both[0]!.folder)).tensors.size).toBe(1);
    expect((await finished()).filter((name) => /partial|diffora-part|lock/.test(name))).toEqual([]);
    expect(fetched).toBe(1);
  });

  it('refuses content with the wrong checksum', async () => {
    hub.intercept = (request, response) => {
      if (!isWeights(request.url) || request.headers.range) return false;
      const data = Buffer.from(MODELS['org/tiny']!.files['model.safetensors']!);
      data[data.length - 1] = 99;
      response.writeHead(200, { 'content-length': String(data.length) }).end(data);
      return true;
    };
    const error = await failure(resolveModel('org/tiny', options()));
    expect(error.message).toContain('model.safetensors of org/tiny arrived damaged');
    expect(await finished()).not.toContain('model.safetensors');
  });

  it('gives up a download that stands still, and a hub that does not answer at all', async () => {
    hub.intercept = (request, response) => {
      if (!isWeights(request.url) || probes(request.headers.range)) return false;
      response.writeHead(200, { 'content-length': '400000' }).write(request.headers.range ? '' : Buffer.alloc(1_000));
      return true;
    };
    // A machine that does not come to an answer in time itself is given ten times as long.
    for (let limit = 300; ; limit *= 10) {
      const { message } = await failure(resolveModel('org/tiny', options({ patience: patientFor(limit) })));
      if (message.includes(`no answer within ${limit / 1000} seconds`) && limit < 30_000) continue;
      expect(message).toContain(`a download stood still for ${limit / 1000} seconds`);
      break;
    }
    hub.intercept = () => true;
    const silent = resolveModel('org/sharded', options({ patience: patientFor(300) }));
    expect((await failure(silent)).message).toContain('no answer within 0.3 seconds');
  });

  it('stops at once when it is aborted, and keeps what it has for the next time', async () => {
    const abort = new AbortController();
    hub.intercept = (request, response) => {
      if (!isWeights(request.url) || request.headers.range) return false;
      response.writeHead(200, { 'content-length': '400000' }).write(Buffer.alloc(1_000), () => abort.abort());
      return true;
    };
    await expect(resolveModel('org/tiny', options({ signal: abort.signal }))).rejects.toThrow(/abort/i);
    expect((await finished()).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it.each<[string, (endpoint: string) => string, RegExp]>([
    ['nothing listens', () => 'http://127.0.0.1:1', /ECONNREFUSED|bad port/],
    ['the name has no address', () => 'http://hub.invalid', /ENOTFOUND|EAI_AGAIN/],
  ])('says that the hub cannot be reached when %s', async (_, endpoint, reason) => {
    const error = await failure(resolveModel('org/tiny', options({}, { HF_ENDPOINT: endpoint(hub.endpoint) })));
    expect(error.message).toMatch(reason);
    expect(error.message).toContain('give a folder with config.json');
  });

  it('takes a page of a firewall for no hub', async () => {
    hub.intercept = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
      return true;
    };
    expect((await failure(resolveModel('org/tiny', options()))).message).toContain('its answer is not that of a hub');
    hub.intercept = (_, response) => {
      response.writeHead(403, { 'content-type': 'text/html' }).end('<html>Blocked</html>');
      return true;
    };
    expect((await failure(resolveModel('org/tiny', options()))).message).toContain('it answers with status 403');
  });
});

describe('names', () => {
  it('takes a folder before a hub name, and logs it', async () => {
    const found = await resolveModel(folder, options());
    expect(found).toEqual({ folder, source: 'folder' });
    expect(lines.log).toEqual([`Model ${folder}: from the folder ${folder}`]);
    expect(hub.requests).toEqual([]);
  });

  it.each<[string, RegExp]>([
    ['./nothing/here', /There is no folder .\/nothing\/here/],
    ['/nothing', /There is no folder \/nothing/],
    ['org/name/more', /There is no folder/],
    ['org name', /neither a folder nor a hub name/],
    ['org/../x', /There is no folder|neither a folder/],
    ['org/x@../../y', /neither a folder nor a hub name/],
    ['', /neither a folder nor a hub name/],
  ])('refuses %j as wrong usage, without asking the hub', async (name, message) => {
    const error = await failure(resolveModel(name, options()));
    expect(error.message).toMatch(message);
    expect(error.exitCode).toBe(2);
    expect(hub.requests).toEqual([]);
  });

  it('offline, suggests the cached name that ends the same', async () => {
    const error = await failure(resolveModel('all-MiniLM-L6-v2', options({}, { HF_HUB_OFFLINE: 'yes' })));
    expect(error.message).toContain('HF_HUB_OFFLINE is set');
    expect(error.message).toContain('Did you mean sentence-transformers/all-MiniLM-L6-v2?');
    expect(hub.requests).toEqual([]);
  });
});
