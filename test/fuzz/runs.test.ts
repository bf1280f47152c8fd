import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe } from 'vitest';
import { openAdapter } from '../../src/artifacts/adapterFolder.js';
import { checkpointsOf, manifestChecksum } from '../../src/artifacts/checkpoints/format.js';
import { newestCheckpoint, savedSteps } from '../../src/artifacts/checkpoints/read.js';
import { readTrainConfig } from '../../src/cli/trainConfig.js';
import { lockPath, withLock } from '../../src/files/lock.js';
import { appendRecord, readRecords } from '../../src/jobs/compare/records.js';
import { inspect } from '../../src/jobs/inspect.js';
import { train } from '../../src/jobs/train.js';
import { inspectJson, inspectView } from '../../src/report/inspectView.js';
import { silent } from '../../src/reporter.js';
import { readDam } from '../../src/selection/readDam.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { writeReviews } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { quickConfig, trainUntil } from '../jobs/resumed.js';
import { cases, scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';

const path = scratch();

/** All that is done with a folder of a run or an adapter before a model is opened. */
async function inspected(folder: string): Promise<void> {
  const found = await inspect(folder, silent);
  inspectView(found, { width: 100, colorLevel: 0 });
  JSON.stringify(inspectJson(found));
}

beforeAll(async () => {
  await writeReviews(path('reviews.csv'));
  const run = (name: string, change: Partial<TrainConfigInput>) =>
    train({ config: quickConfig(path('reviews.csv'), change), output: path(name), reporter: silent });
  await run('diffora', { epochs: 1 });
  await run('plain', { method: 'houlsby', epochs: 1 });
  await trainUntil(['train', 3], {
    config: quickConfig(path('reviews.csv'), { method: 'lora', saveSteps: 1 }),
    output: path('stopped'),
  });
});

/** A test of a file of a folder: broken in its bytes, and, where it is JSON, in its values. */
function survives(
  what: string,
  file: string,
  values: object | (() => Promise<unknown>) | undefined,
  use: (folder: string) => unknown,
  folder: () => string,
): void {
  survivesBytes(what, async () => {
    const copy = path(`${what} in bytes`);
    await cp(folder(), copy, { recursive: true });
    return { path: join(copy, file), read: () => use(copy), names: [copy] };
  });
  if (values === undefined) return;
  const drawn = typeof values === 'function' ? async () => mangled(await values()) : mangled(values);
  survivesValues(what, drawn, async () => {
    const copy = path(`${what} in values`);
    await cp(folder(), copy, { recursive: true });
    const read = async (text: string) => {
      await writeFile(join(copy, file), text);
      await use(copy);
    };
    return { read, names: [copy] };
  });
}

const json = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'));

describe('adapters', async () => {
  const peft = oraclePath('tiny-bert-adapter');
  const config = await json(join(peft, 'adapter_config.json'));
  const patterns = { rank_pattern: { 'layer.0.attention.self.query': 4 }, alpha_pattern: { '.*query': 8 } };
  survives(
    'adapter_config.json',
    'adapter_config.json',
    { ...(config as object), ...patterns },
    openAdapter,
    () => peft,
  );
  survives('adapter_model.safetensors', 'adapter_model.safetensors', undefined, openAdapter, () => peft);
  const task = {
    format: 'diffora-task/1',
    name: 'reviews',
    kind: 'language',
    labels: ['bad', 'good'],
    columns: { text: 'review', label: 'stars' },
    metrics: ['accuracy'],
    generation: { prompt: '{text}', lead: ' ', maxNewTokens: 8, answer: '[0-9]' },
    maxLength: 16,
  };
  survives('task.json', 'task.json', task, inspected, () => path('diffora', 'adapter'));
  survives(
    'diffora_adapter.json',
    'diffora_adapter.json',
    () => json(path('plain', 'adapter', 'diffora_adapter.json')),
    inspected,
    () => path('plain', 'adapter'),
  );
});

describe('run folders', () => {
  const run = {
    format: 'diffora-run/1',
    command: 'train',
    config: { method: 'lora', seed: 1, task: 'cola' },
    task: 'cola',
    model: { name: 'm', folder: '/m', family: 'bert' },
    parameters: { trainable: 3, adapter: 2, head: 1, backbone: 10 },
    scores: { dev: { matthews: null, accuracy: 0.5 } },
    seconds: { total: 1.5 },
    peakMemoryBytes: 1000,
  };
  const runFolder = () => path('diffora');
  survives('run.json', 'run.json', run, inspected, runFolder);
  survivesBytes('run.json as settings', async () => {
    const copy = path('settings.json');
    await cp(path('diffora', 'run.json'), copy);
    return { path: copy, read: () => readTrainConfig(copy, {}), names: [copy, '--task is missing'] };
  });
  const dam = {
    format: 'diffora-dam/2',
    select: 'diffora',
    layers: 2,
    modules: ['query', 'value'],
    gamma: [
      [1, 0],
      [0, 1],
    ],
    values: [
      [0.7, 0.3],
      [0.2, 0.8],
    ],
    keep: 0.5,
    budget: 100,
    scope: 'row',
    share: 'none',
    seed: 1,
    search: {
      relax: 'softmax',
      logits: [
        [0, 0],
        [0, 0],
      ],
      order: 'first',
      optimizer: 'mirror',
      start: 'zero',
      entropyWeight: 0,
      steps: 1,
      learningRate: 1e-3,
      damLearningRate: 0.03,
      batchSize: 8,
      trainExamples: 10,
      validationExamples: 10,
      seeds: [{ seed: 1, gamma: [[1, 0]] }],
      agreement: 1,
      history: [{ step: 1, validationLoss: 0.7, trainLoss: 0.7, entropy: 1, spread: 0 }],
    },
    model: 'm',
    task: 't',
  };
  survives('dam.json', 'dam.json', dam, inspected, runFolder);
  survives('dam.json for itself', 'dam.json', undefined, (folder) => readDam(join(folder, 'dam.json')), runFolder);
});

describe('checkpoints', () => {
  /** The newest one alone, so that there is nothing to fall back to. */
  async function only(folder: string): Promise<string> {
    const [newest, ...others] = await savedSteps(checkpointsOf(path('stopped')));
    await cp(checkpointsOf(path('stopped')), folder, { recursive: true });
    for (const other of others) await rm(join(folder, `step-${other}`), { recursive: true });
    return join(folder, `step-${newest}`);
  }
  const warn = () => {};

  for (const file of ['manifest.json', 'state.json', 'tensors.safetensors']) {
    survivesBytes(`${file} of a checkpoint`, async () => {
      const folder = path(`checkpoint ${file}`);
      const checkpoint = await only(folder);
      return { path: join(checkpoint, file), read: () => newestCheckpoint(folder, warn), names: [folder] };
    });
  }

  /** The JSON of a file of the newest checkpoint, without what is put in again. */
  const ofNewest = (file: string) => async () => {
    const [newest] = await savedSteps(checkpointsOf(path('stopped')));
    const { checksum: _, ...value } = (await json(join(checkpointsOf(path('stopped')), `step-${newest}`, file))) as {
      checksum?: string;
    };
    return mangled(value);
  };
  /** Whoever writes a checkpoint can write its checksum too. */
  async function forge(checkpoint: string, text: string): Promise<void> {
    let forged = text;
    try {
      const value = JSON.parse(text);
      forged = JSON.stringify({ ...value, checksum: manifestChecksum(value) });
    } catch {
      // No JSON, or more than can be written: as it is.
    }
    await writeFile(join(checkpoint, 'manifest.json'), forged);
  }

  survivesValues('a manifest with the right checksum', ofNewest('manifest.json'), async () => {
    const folder = path('forged manifest');
    const checkpoint = await only(folder);
    const read = async (text: string) => {
      await forge(checkpoint, text);
      return newestCheckpoint(folder, warn);
    };
    return { read, names: [folder] };
  });

  survivesValues('a state.json with the right hash', ofNewest('state.json'), async () => {
    const { createHash } = await import('node:crypto');
    const folder = path('forged state');
    const checkpoint = await only(folder);
    const whole = (await json(join(checkpoint, 'manifest.json'))) as { files: { name: string }[] };
    const read = async (text: string) => {
      await writeFile(join(checkpoint, 'state.json'), text);
      const bytes = Buffer.byteLength(text);
      const own = { name: 'state.json', bytes, sha256: createHash('sha256').update(text).digest('hex') };
      const files = whole.files.map((file) => (file.name === 'state.json' ? own : file));
      await forge(checkpoint, JSON.stringify({ ...whole, files }));
      return newestCheckpoint(folder, warn);
    };
    return { read, names: [folder] };
  });
});

describe('locks', () => {
  const holder = { pid: 2 ** 22 + 1, host: hostname(), started: 'never 1', token: '0'.repeat(16) };
  const locked = (name: string) => ({ target: path('locks', name), lock: lockPath(path('locks', name)) });

  survivesBytes('a lock', async () => {
    const { target, lock } = locked('bytes');
    await mkdir(dirname(target), { recursive: true });
    await writeFile(lock, JSON.stringify(holder));
    const read = async () => withLock(target, async () => {});
    return { path: lock, read, names: [target, lock] };
  });

  survivesValues('a lock', mangled(holder), async () => {
    const { target, lock } = locked('values');
    await mkdir(dirname(target), { recursive: true });
    const read = async (text: string) => {
      await writeFile(lock, text);
      await withLock(target, async () => {});
    };
    return { read, names: [target, lock] };
  });
});

describe('records of a comparison', () => {
  const record = {
    format: 'diffora-compare/1' as const,
    kind: 'run' as const,
    key: 'k',
    model: 'm',
    task: 't',
    method: 'LoRA',
    seed: 1,
    lr: 1e-3,
    status: 'done' as const,
    scores: { accuracy: 0.5, matthews: null },
    parameters: { trainable: 3, adapter: 2, kept: 2, replaced: 0, head: 1 },
    ranks: { query: 4 },
    steps: { search: 0, train: 3 },
    seconds: { total: 1 },
    code: 'c',
    data: { train: 'h' },
    dam: { modules: ['query'], gamma: [[1]], values: [[0.5]] },
    curve: [[1, 0.7] as [number, number]],
    predicted: [0, 1],
  };
  const warn = () => {};

  survivesBytes('records.jsonl', async () => {
    const file = path('bytes.jsonl');
    for (let i = 0; i < 3; i++) await appendRecord(file, { ...record, key: `k${i}` });
    return { path: file, read: () => readRecords(file, warn), names: [file] };
  });

  survivesValues('a line of records.jsonl', mangled(record), async () => {
    const file = path('values.jsonl');
    const read = async (text: string) => {
      await writeFile(file, `${text}\n`);
      return readRecords(file, warn);
    };
    return { read, names: [file], count: cases };
  });
});
