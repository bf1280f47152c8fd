import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { canMount, withDisk } from '../files/disk.js';
import { diffora, quickRun, reviewsFolder, type temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
let run: string;

beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
  run = folder.path('run');
  expect((await diffora('train', ...quickRun(task), '--output', run)).code).toBe(0);
});
afterAll(() => folder.remove());
afterEach(() => vi.unstubAllEnvs());

/** A refusal: the code, nothing on stdout, one or two sentences that hold each of `telling`, and nothing written. */
async function expectRefusal(code: 1 | 2, args: readonly string[], ...telling: readonly string[]): Promise<void> {
  const output = folder.path('refused');
  const before = await readdir(folder.path('.'));
  const outcome = await diffora(...args, '--quiet');
  expect(outcome, outcome.stderr).toMatchObject({ code, stdout: '' });
  for (const part of telling) expect(outcome.stderr).toContain(part);
  expect(outcome.stderr).not.toContain('defect');
  expect(outcome.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(existsSync(output)).toBe(false);
  expect(await readdir(folder.path('.'))).toEqual(before);
}

/** `train` on the reviews with other values for some flags. */
function trainWith(flags: Readonly<Record<string, string>>): string[] {
  const usual = quickRun(task);
  const kept = usual.filter((one, i) => !(one in flags) && !(usual[i - 1]! in flags));
  return [
    'train',
    ...kept,
    ...Object.entries(flags).flat(),
    ...('--output' in flags ? [] : ['--output', folder.path('refused')]),
  ];
}

describe('usage', () => {
  it('names the nearest flags for an unknown one', () =>
    expectRefusal(2, trainWith({ '--rnak': '3' }), "Unknown option '--rnak'", '--rank'));

  it('names the nearest command for an unknown one', async () => {
    expect(await diffora('trian')).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('train') });
  });

  it('says whose flag it is, where another command has it', async () => {
    const args = ['select', '--task', task, '--accumulate', '2', '--output', folder.path('refused')];
    await expectRefusal(2, args, "Unknown option '--accumulate'. It is one of train.");
  });

  it('lists the names that a list may have', () =>
    expectRefusal(
      2,
      trainWith({ '--log': 'tensorbord' }),
      'it takes some of tensorboard, ',
      ' with commas between them.',
    ));

  it('refuses flags that nothing reads', async () => {
    await expectRefusal(2, ['inspect', run, '--data-dir', 'x'], '--data-dir goes with --gram.');
    await expectRefusal(
      2,
      ['predict', '--adapter', run, '--text', 'a', '--overwrite'],
      '--overwrite goes with --output.',
    );
  });

  it('asks for the output, the task, the text', async () => {
    const output = await diffora('train', ...quickRun(task));
    expect(output).toMatchObject({ code: 2, stderr: expect.stringContaining('--output') });
    await expectRefusal(2, ['train', '--model', tinyModel, '--output', folder.path('refused')], '--task');
    await expectRefusal(2, ['predict', '--adapter', run], '--text', '--input');
  });

  it.each([
    ['--keep', '0', 'above 0'],
    ['--keep', 'half', 'a number'],
    ['--rank', '1.5', 'whole number'],
    ['--method', 'lorra', 'Did you mean lora?'],
    ['--dropout', '1', 'below 1'],
    ['--lr', '', 'a number'],
  ])('says what a flag takes: %s %s', (flag, value, telling) =>
    expectRefusal(2, trainWith({ [flag]: value }), flag, telling),
  );

  it('prints help and version on stdout with code 0, usage without a command with code 2', async () => {
    const help = await diffora('train', '--help');
    expect(help).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('Example:') });
    expect((await diffora('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await diffora()).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Usage:') });
  });

  it.each(['demo', 'train', 'select', 'eval', 'predict', 'inspect', 'merge', 'export'])(
    'has an example in %s --help',
    async (name) => {
      expect((await diffora(name, '--help')).stdout).toContain(`$ diffora ${name}`);
    },
  );
});

describe('a configuration file', () => {
  const withConfig = async (text: string) => {
    const file = folder.path('config.yaml');
    await writeFile(file, text);
    return trainWith({ '--config': file });
  };

  it('may not have an unknown key', async () =>
    expectRefusal(2, await withConfig('keeep: 0.3\n'), 'config.yaml', '"keeep"', 'keep'));

  it('is blamed for its own values', async () => expectRefusal(2, await withConfig('keep: 3\n'), 'config.yaml: keep'));

  it('must be YAML', async () => expectRefusal(1, await withConfig('a: [\n'), 'config.yaml is not valid YAML'));

  it('must be there', () => expectRefusal(1, trainWith({ '--config': 'nowhere.yaml' }), 'Cannot read nowhere.yaml'));
});

describe('a model', () => {
  it('that the hub does not answer for is named with the hub', async () => {
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    vi.stubEnv('HF_HOME', folder.path('hf'));
    await expectRefusal(
      1,
      trainWith({ '--model': 'nobody/nothing' }),
      'nobody/nothing',
      '127.0.0.1:9 cannot be reached',
    );
  });

  it('that is not in the cache is named with HF_HUB_OFFLINE', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    vi.stubEnv('HF_HOME', folder.path('hf'));
    await expectRefusal(1, trainWith({ '--model': 'nobody/nothing' }), 'nobody/nothing', 'HF_HUB_OFFLINE is set');
  });

  it('must be a checkpoint', () => expectRefusal(1, trainWith({ '--model': run }), 'is not a model folder'));

  it('must be whole', async () => {
    const cut = folder.path('cut');
    await cp(tinyModel, cut, { recursive: true });
    const weights = await readFile(join(cut, 'model.safetensors'));
    await writeFile(join(cut, 'model.safetensors'), weights.subarray(0, 60_000));
    await expectRefusal(1, trainWith({ '--model': cut }), 'model.safetensors', 'cut short');
  });

  it('that an adapter names and that is gone can be given another place', async () => {
    const moved = folder.path('moved');
    await cp(run, moved, { recursive: true });
    const file = join(moved, 'adapter', 'adapter_config.json');
    await writeFile(file, (await readFile(file, 'utf8')).replace(tinyModel, './gone'));
    await expectRefusal(1, ['predict', '--adapter', moved, '--text', 'cat'], './gone', '--model');
    expect((await diffora('predict', '--adapter', moved, '--text', 'cat', '--model', tinyModel)).code).toBe(0);
  });
});

describe('data', () => {
  it('must have the columns', () =>
    expectRefusal(1, trainWith({ '--text-column': 'reviw' }), 'reviews.csv', '"reviw"', 'Did you mean "review"?'));

  it('must have labels of the set', async () => {
    await writeFile(folder.path('more.csv'), 'review,stars\nfine,good\nodd,ugly\n');
    await writeFile(
      folder.path('task.yaml'),
      'train: reviews.csv\ndev: more.csv\ncolumns: { text: review, label: stars }\n',
    );
    const args = [
      'train',
      '--model',
      tinyModel,
      '--task',
      folder.path('task.yaml'),
      '--output',
      folder.path('refused'),
    ];
    await expectRefusal(1, args, 'more.csv, line 3', '"ugly"', '"bad", "good"');
  });

  it('to be predicted must have the column, in the file and in the row', async () => {
    const predict = (input: string) => ['predict', '--adapter', run, '--input', folder.path(input)];
    await writeFile(folder.path('other.csv'), 'text\nhello\n');
    await expectRefusal(1, predict('other.csv'), 'other.csv', '"review"');
    await writeFile(folder.path('rows.jsonl'), '{"review":"a"}\n\n{"reviw":"b"}\n');
    await expectRefusal(1, predict('rows.jsonl'), 'rows.jsonl, line 3', '"review"');
  });

  it('that is a pair is refused by a task of single texts', () =>
    expectRefusal(2, ['predict', '--adapter', run, '--text', 'a', '--pair', 'b'], 'leave --pair out'));

  it('to score on must have the labels of the adapter', async () => {
    const args = ['eval', '--adapter', run, '--task', 'cola'];
    await expectRefusal(2, args, 'unacceptable', 'bad, good');
  });
});

describe('an adapter', () => {
  it('with a target that matches nothing is answered with the nearest names', async () => {
    for (const method of ['lora', 'diffora']) {
      await expectRefusal(2, trainWith({ '--targets': 'qurey', '--method': method }), '--targets qurey', 'query, key');
    }
  });

  it('that holds NaN neither predicts nor merges', async () => {
    const broken = folder.path('broken');
    await cp(run, broken, { recursive: true });
    const file = join(broken, 'adapter', 'adapter_model.safetensors');
    const bytes = await readFile(file);
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    await writeFile(file, bytes);
    await expectRefusal(1, ['predict', '--adapter', broken, '--text', 'cat'], 'NaN', 'position');
    await expectRefusal(1, ['merge', '--adapter', broken, '--output', folder.path('refused')], 'NaN', 'position');
  });

  it('must be there', () =>
    expectRefusal(1, ['predict', '--adapter', folder.path('none'), '--text', 'cat'], 'none', 'no such file or folder'));
});

describe('output', () => {
  it('that exists is refused before anything is done', async () => {
    await expectRefusal(1, trainWith({ '--output': run }), run, '--overwrite');
    const file = folder.path('taken.jsonl');
    await writeFile(file, '');
    const args = ['predict', '--adapter', run, '--input', task, '--output', file];
    await expectRefusal(1, args, file, '--overwrite');
    expect((await diffora(...args, '--overwrite')).code).toBe(0);
  });

  it('into a folder that is a file, or is not there, is refused', async () => {
    await expectRefusal(1, trainWith({ '--output': join(task, 'run') }), 'a part of the path is a file');
    await expectRefusal(
      1,
      ['predict', '--adapter', run, '--input', task, '--output', folder.path('no', 'a.jsonl')],
      'no folder',
    );
  });

  it('of training that diverges is none', () =>
    expectRefusal(
      1,
      trainWith({ '--lr': '1e30', '--method': 'lora', '--max-skipped-steps': '0' }),
      'diverged',
      '--lr',
    ));

  it.skipIf(!canMount)('on a full disk is none', () =>
    withDisk(20, async (disk) => {
      await mkdir(disk.path('kept'));
      await expectRefusal(1, trainWith({ '--output': disk.path('run') }), disk.path('run'), 'the disk is full');
      expect(await readdir(disk.path())).toEqual(['kept']);
    }),
  );
});

describe('odd texts', () => {
  it.each(['', ' \t '])('that are empty are answered, which is said: %j', async (text) => {
    const { code, stdout, stderr } = await diffora('predict', '--adapter', run, '--text', text, '--quiet');
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'Warning: The text is empty.\n' });
    expect(stdout).toMatch(/^(good|bad) {2}[01]\.\d{3}\n$/);
  });

  it('that are too long are cut, which is said', async () => {
    const text = 'good '.repeat(5000);
    const { code, stderr } = await diffora('predict', '--adapter', run, '--text', text, '--quiet');
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Warning: 1 of 1 examples are longer than 16 tokens and were cut to that length.\n',
    });
  });
});
