import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../src/jobs/train.js';
import { loadAdapter } from '../../src/library/loadAdapter.js';
import { type Reporter, silent } from '../../src/reporter.js';
import { selectionNames } from '../../src/selection/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { bytesOf, trainUntil } from '../jobs/resumed.js';
import { chatModel } from '../tasks/chat/chatModel.js';
import { diffora, resultOf, temporaryFolder } from './run.js';
import { startDiffora } from './started.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const model = () => folder.path('model');
const run = () => folder.path('run');
const pairs = () => folder.path('pairs.jsonl');
const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

const rows = Array.from({ length: 10 }, (_, i) => ({
  prompt: `say ${'ab'[i % 2]}`,
  chosen: 'ab'[i % 2]!.repeat(3),
  rejected: i % 3 === 0 ? 'no' : 'ba'[i % 2]!.repeat(2),
}));

beforeAll(async () => {
  folder = await temporaryFolder();
  await chatModel(model());
  await writeFile(pairs(), lines(rows));
  await writeFile(
    folder.path('pairs.yaml'),
    'kind: preference\ntrain: pairs.jsonl\ndev: pairs.jsonl\nmaxNewTokens: 6\n',
  );
});
afterAll(() => folder.remove());

const settings = ['--rank', '8', '--threads', '1', '--batch-size', '5'];
const names = ['reward_accuracy', 'reward_margin', 'chosen_reward', 'rejected_reward', 'loss'];

describe('preferences from the command line', () => {
  it('are learned where DiffoRA says: the chosen answers become worth more', async () => {
    const learning = ['--method', 'diffora', '--epochs', '10', '--lr', '4e-2', '--eval-steps', '5'];
    const { scores } = await json(
      ...[
        'train',
        '--model',
        model(),
        '--task',
        folder.path('pairs.yaml'),
        ...learning,
        ...settings,
        '--output',
        run(),
      ],
    );
    expect(Object.keys(scores.dev)).toEqual(names);
    expect(scores.dev.reward_accuracy).toBe(1);
    expect(scores.dev.reward_margin).toBeCloseTo(scores.dev.chosen_reward - scores.dev.rejected_reward, 4);
    // Before training it is log 2.
    expect(scores.dev.loss).toBeLessThan(0.5);
    const task = JSON.parse(await readFile(join(run(), 'adapter', 'task.json'), 'utf8'));
    expect(task).toMatchObject({ preference: { loss: 'sigmoid', beta: 0.1 }, chat: { maxNewTokens: 6 } });
  });

  it('begin with log 2: the reference is the model without its adapter', async () => {
    const flags = ['--method', 'pissa', '--max-steps', '1', '--rank', '2', '--threads', '1', '--batch-size', '5'];
    const output = folder.path('first');
    await json('train', '--model', model(), '--task', pairs(), ...flags, '--output', output);
    const [first] = (await readFile(join(output, 'metrics.jsonl'), 'utf8')).split('\n');
    expect(JSON.parse(first!).loss).toBeCloseTo(Math.log(2), 5);
  });

  it.each(['ipo', 'orpo', 'simpo'])('are learned by %s, too, also in parts', async (loss) => {
    const flags = ['--method', 'lora', '--loss', loss, '--epochs', '10', '--lr', '1e-2', '--accumulate', '2'];
    const output = folder.path(loss);
    const { scores } = await json(
      ...['train', '--model', model(), '--task', folder.path('pairs.yaml'), ...flags, ...settings, '--output', output],
    );
    expect(scores.dev.reward_accuracy).toBeGreaterThan(0.8);
    const { preference } = JSON.parse(await readFile(join(output, 'adapter', 'task.json'), 'utf8'));
    expect(preference).toEqual(loss === 'simpo' ? { loss, beta: 2, simpoGamma: 1 } : { loss, beta: 0.1 });
  });

  it('are learned from single answers with a label: good ones become worth more than bad ones', async () => {
    const answers = rows.flatMap(({ prompt, chosen, rejected }) => [
      { prompt, completion: chosen, label: true },
      { prompt, completion: rejected, label: false },
    ]);
    const file = folder.path('answers.jsonl');
    await writeFile(file, lines(answers));
    const output = folder.path('kto');
    const flags = [
      'train',
      '--model',
      model(),
      '--task',
      file,
      '--method',
      'diffora',
      '--epochs',
      '10',
      '--lr',
      '1e-2',
    ];
    const { scores } = await json(...flags, '--desirable-weight', '1.2', ...settings, '--output', output);
    expect(Object.keys(scores.dev)).toEqual(names.slice(1));
    expect(scores.dev.reward_margin).toBeGreaterThan(0);
    const { preference } = JSON.parse(await readFile(join(output, 'adapter', 'task.json'), 'utf8'));
    expect(preference).toEqual({ loss: 'kto', beta: 0.1, desirableWeight: 1.2, undesirableWeight: 1 });
    for (const [flag, value, telling] of [
      ['--accumulate', '2', 'accumulate cuts a batch into parts, and in the loss of this task its examples stand in'],
      ['--loss', 'ipo', 'loss ipo learns from rows of a chosen and a rejected answer, and these are of an answer and'],
    ] as const) {
      const refused = await diffora(...flags, flag, value, '--output', folder.path('no'));
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(telling) });
    }
    const other = await diffora('eval', '--adapter', output, '--task', pairs());
    expect(other).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Row 1 is not of an answer and its label'),
    });
  });

  it('are scored, in a file or by the options of the run', async () => {
    const scored = await json('eval', '--adapter', run(), '--task', pairs());
    const { scores } = JSON.parse(await readFile(join(run(), 'run.json'), 'utf8'));
    expect(scored.scores).toEqual(scores.dev);
    const some = await json('eval', '--adapter', run(), '--task', pairs(), '--metrics', 'loss');
    expect(some.scores).toEqual({ loss: scores.dev.loss });
  });

  it('are answered as chats are: a text, rows with and without answers, and by generate', async () => {
    const { text } = await json('predict', '--adapter', run(), '--text', 'say b');
    const adapter = await loadAdapter(run());
    expect(await adapter.predict(['say b'])).toEqual([{ text }]);
    await adapter.close();
    await writeFile(folder.path('asked.jsonl'), lines([{ prompt: 'say b' }, rows[1]]));
    const { predictions } = await json('predict', '--adapter', run(), '--input', folder.path('asked.jsonl'));
    expect(predictions).toEqual([{ text }, { text }]);
    const chat = ['generate', '--adapter', run(), '--chat', '--prompt', 'say b', '--max-new-tokens', '6'];
    expect((await json(...chat)).text.trim()).toBe(text);
  });

  it('are said in one line', async () => {
    const { stderr } = await diffora('eval', '--adapter', run(), '--task', pairs());
    expect(stderr).toContain(`Preferences of ${pairs()}: 10 rows of a chosen and a rejected answer\n`);
  });

  it('are cut alike: both answers follow the same end of the prompt', async () => {
    const long = [{ role: 'user', content: 'a'.repeat(60) }];
    const turns = [...long, { role: 'assistant', content: 'b' }, { role: 'user', content: 'say a' }];
    const cut = [
      { prompt: turns, chosen: 'a', rejected: 'bbb' },
      { prompt: long, chosen: 'a', rejected: 'bbb' },
    ];
    await writeFile(folder.path('long.jsonl'), lines([...cut, { prompt: 'a', chosen: 'c'.repeat(60), rejected: 'b' }]));
    const flags = ['eval', '--adapter', run(), '--task', folder.path('long.jsonl'), '--max-length', '24'];
    const { stderr, code } = await diffora(...flags);
    expect(code).toBe(0);
    expect(stderr).toContain(
      'of 3 chats, with at most 24 tokens each, 1 have lost turns at their front; 1 the beginning of their last question; ' +
        '1 are left out, their last answer alone being longer; see --max-length.',
    );
  });

  it('refuse what their loss does not read', async () => {
    const flags = ['train', '--model', model(), '--task', pairs(), '--method', 'lora', '--output', folder.path('no')];
    expect(await diffora(...flags, '--class-weights', 'balanced')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('pairs is of the kind preference. Leave it out.'),
    });
    expect(await diffora(...flags, '--loss', 'ipo', '--label-smoothing', '0.1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('labelSmoothing is read with loss sigmoid or simpo; this run has loss ipo.'),
    });
    expect(await diffora(...flags, '--desirable-weight', '2')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('desirableWeight is not read with loss sigmoid. Leave it out.'),
    });
    expect(await diffora(...flags, '--simpo-gamma', '1')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('simpoGamma is read with loss simpo; this run has no loss named. Leave it out.'),
    });
  });
});

describe('a run that is resumed', () => {
  it('gives the same bits, and does not ask the reference again', async () => {
    const whole = {
      rank: 2,
      epochs: 2,
      batchSize: 5,
      threads: 1,
      method: 'lora',
      model: model(),
      task: pairs(),
    } as const;
    const config = parseTrainConfig({ ...whole, saveSteps: 2 }, 'test');
    const [output, expected] = [folder.path('resumed'), folder.path('unbroken')];
    await train({ config, output: expected });
    await trainUntil(['train', 3], { config, output });
    const phases: string[] = [];
    const reporter: Reporter = {
      ...silent,
      phase(name, ...more) {
        phases.push(name);
        return silent.phase(name, ...more);
      },
    };
    await train({ config, output, resume: true, reporter });
    expect(phases).toEqual(['train', 'evaluate']);
    expect(await bytesOf(output)).toEqual(await bytesOf(expected));
  });
});

describe('where adapters for preferences go', () => {
  const short = ['--rank', '2', '--threads', '1', '--batch-size', '5', '--max-steps', '2', '--max-length', '32'];
  const task = () => ['--model', model(), '--task', pairs()];
  // A matrix of a file, a list of modules and a Gram matrix of classes are none that a task of texts is chosen by.
  const given: readonly string[] = ['list', 'gram'];

  it.each(selectionNames.filter((name) => !given.includes(name)))('is chosen by %s', async (name) => {
    const how = name === 'uniform' ? ['--budget', '900'] : [];
    const flags = ['--method', 'lora', '--select', name, ...how, ...short];
    const { scores } = await json('train', ...task(), ...flags, '--output', folder.path(`by-${name}`));
    expect(scores.dev.loss).toBeGreaterThan(0);
  });

  it('is compared', async () => {
    const comparison = {
      models: [model()],
      tasks: [{ task: pairs() }],
      budget: 1400,
      seeds: [1],
      learningRates: [1e-2],
      methods: [{ method: 'lora' }, { method: 'diffora' }],
      settings: { epochs: 2, batchSize: 5, searchSteps: 2 },
    };
    await writeFile(folder.path('compare.yaml'), JSON.stringify(comparison));
    const flags = ['--output', folder.path('compared'), '--threads', '1'];
    const { code, stdout, stderr } = await startDiffora('compare', folder.path('compare.yaml'), ...flags).ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('2 done, 0 failed, 0 missing');
    const records = (await readFile(folder.path('compared', 'results.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(records.map((line) => Object.keys(JSON.parse(line).scores))).toEqual(Array(2).fill(names));
  });
});
