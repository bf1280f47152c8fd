import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { diffora, quickRun, resultOf, reviewsFolder, taskFileOf, type temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
const runOf = (method: string) => folder.path(method);
const jsonOf = async (file: string) => JSON.parse(await readFile(file, 'utf8'));

beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
  for (const method of ['head', 'lora', 'diffora']) {
    const { code, stderr } = await diffora('train', ...quickRun(task, '--method', method), '--output', runOf(method));
    expect(code, stderr).toBe(0);
  }
});
afterAll(() => folder.remove());

describe('train', () => {
  const adapterFiles = [
    'README.md',
    'adapter_config.json',
    'adapter_model.safetensors',
    'task.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'trained_rows.json',
  ];

  it.each(['head', 'lora', 'diffora'])('leaves the run folder that DESIGN 5 describes: %s', async (method) => {
    const dam = method === 'diffora' ? ['dam.json'] : [];
    expect((await readdir(runOf(method))).sort()).toEqual([
      'adapter',
      ...dam,
      'metrics.jsonl',
      'progress.jsonl',
      'run.json',
    ]);
    const picture = method === 'diffora' ? ['dam.svg'] : [];
    expect((await readdir(folder.path(method, 'adapter'))).sort()).toEqual([...adapterFiles, ...picture].sort());
  });

  it('writes a model card with scores, the picture of its matrix and the command that repeats the run', async () => {
    const card = await readFile(folder.path('diffora', 'adapter', 'README.md'), 'utf8');
    const { scores } = await jsonOf(folder.path('diffora', 'run.json'));
    const [{ results }] = parse(card.split('---\n')[1]!)['model-index'];
    expect(results[0].metrics).toEqual([
      { type: 'accuracy', value: scores.dev.accuracy, name: 'accuracy' },
      { type: 'f1', value: scores.dev.f1, name: 'f1' },
      { type: 'matthews_correlation', value: scores.dev.matthews, name: 'matthews' },
    ]);
    expect(card).toContain('![What each module of each layer is worth](dam.svg)');
    expect(card).toContain('npx diffora train --config run.json --output again');
    expect(card).toContain('Trained on sequences of up to 16 tokens.');
    const plain = await readFile(folder.path('lora', 'adapter', 'README.md'), 'utf8');
    expect(plain).not.toContain('dam.svg');
    const picture = await readFile(folder.path('diffora', 'adapter', 'dam.svg'), 'utf8');
    const { gamma, values } = await jsonOf(folder.path('diffora', 'dam.json'));
    const cells = [...picture.matchAll(/<rect [^>]*fill="rgb[^>]*?(stroke="#000")?[^>]*?\/><text[^>]*>([\d.]+)</g)];
    expect(cells.map(([, , value]) => value)).toEqual(values.flat().map((value: number) => value.toFixed(3)));
    const framed = [...picture.matchAll(/<rect [^>]*fill="rgb[^>]*\/>/g)].map(([box]) =>
      Number(box.includes('stroke=')),
    );
    expect(framed).toEqual(gamma.flat());
  });

  it('records a line for every step of the search and of training', async () => {
    const lines = (await readFile(folder.path('diffora', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    const phases = lines.map((line) => JSON.parse(line).phase);
    // 36 rows train (a tenth of each class held out): 5 batches of 8, two epochs are 10. Of a search that is less than 4 steps.
    expect(phases).toEqual([...Array(4).fill('search'), ...Array(10).fill('train')]);
  });

  it('keeps four of six modules in every row if nothing is said', async () => {
    const dam = await jsonOf(folder.path('diffora', 'dam.json'));
    expect(dam.gamma.map((row: number[]) => row.reduce((sum, one) => sum + one, 0))).toEqual([4, 4, 4]);
  });

  it('writes records alone with --json, as it goes on, the last the run record with the folder', async () => {
    const output = folder.path('json');
    const flags = ['--json', '--eval-steps', '5', '--max-length', '4', '--output', output];
    const { stdout, stderr } = await diffora('train', ...quickRun(task), ...flags);
    expect(stderr).toBe('');
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const phases = records.filter(({ event }) => event === 'phase').map(({ phase, total }) => [phase, total]);
    expect(phases).toEqual([
      ['search', 4],
      ['train', 10],
      ['evaluate', 4],
    ]);
    for (const [phase, done, examples] of [
      // A batch of either half a step for each of four: 18 examples in three steps, and of 8 or of 2 in the next. Then 36, twice.
      ['search', 4, 4 * 2 * 18 + 4 * 8 + 4 * 2],
      ['train', 10, 2 * 36],
      ['evaluate', 4, 4],
    ]) {
      const last = records.findLast((one) => one.event === 'progress' && one.phase === phase);
      // All rows are cut to 4 tokens.
      expect(last).toMatchObject({ done, total: done, examples, tokens: 4 * Number(examples) });
      expect(last.memoryBytes).toBeLessThanOrEqual(last.peakMemoryBytes);
    }
    const evaluations = records.filter(({ event }) => event === 'evaluation');
    expect(evaluations.map(({ steps }) => steps)).toEqual([5, 10]);
    expect(records.filter(({ event }) => event === 'warning')).toHaveLength(2);
    const { event, output: written, ...record } = records.at(-1);
    expect([event, written]).toEqual(['result', output]);
    expect(record).toEqual(await jsonOf(folder.path('json', 'run.json')));
  });

  it('writes with --json and --quiet the result and warnings, and of a run that fails no result', async () => {
    const flags = [...quickRun(task, '--method', 'head'), '--json'];
    const quiet = await diffora('train', ...flags, '--quiet', '--output', folder.path('quiet'));
    expect(quiet).toMatchObject({ code: 0, stderr: '' });
    const told = quiet.stdout.trimEnd().split('\n');
    expect(told).toHaveLength(1);
    expect(resultOf(quiet.stdout)).toMatchObject({ command: 'train' });
    const failed = await diffora('train', ...flags, '--class-weights', 'none=2', '--output', folder.path('failed'));
    expect(failed).toMatchObject({ code: 2, stderr: expect.stringMatching(/^--class-weights none: .*\n$/) });
    expect(failed.stdout).toContain('{"event":"info","message":"Examples of reviews');
    expect(failed.stdout).not.toContain('"result"');
  });

  it('shows the heat map, the scores and the folder', async () => {
    const output = folder.path('shown');
    const { stdout, stderr } = await diffora('train', ...quickRun(task), '--output', output);
    expect(stdout).toContain('[ ] kept: 12 of 18 modules');
    expect(stdout).toMatch(/^layer 2 .*\[0\.\d{3}\]/m);
    expect(stdout).toMatch(/^dev +accuracy \d\.\d{3}, f1 \d\.\d{3}, matthews -?\d\.\d{3}$/m);
    expect(stdout).toContain(`written to   ${output}`);
    expect(stderr).toMatch(/^train: 10 in /m);
  });

  it('takes settings from a file, and flags over it', async () => {
    const config = folder.path('config.yaml');
    await writeFile(config, 'method: lora\nrank: 3\ntargets: [query]\n');
    const args = [...quickRun(task), '--config', config, '--output', folder.path('configured'), '--json'];
    const { config: used } = resultOf((await diffora('train', ...args)).stdout);
    expect(used).toMatchObject({ method: 'lora', rank: 2, targets: ['query'] });
  });

  it('replaces a run folder with --overwrite, but nothing that is no run', async () => {
    const output = folder.path('again');
    const args = [...quickRun(task, '--method', 'head'), '--output', output, '--overwrite'];
    for (let i = 0; i < 2; i++) expect((await diffora('train', ...args)).code).toBe(0);
    const other = await diffora('train', ...quickRun(task), '--output', folder.path('.'), '--overwrite');
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('has no run.json');
    expect(await readdir(folder.path('.'))).toContain('reviews.csv');
  });

  it('refuses settings that nothing reads, of flags and of a file, before anything is opened', async () => {
    const config = folder.path('idle.yaml');
    await writeFile(config, `task: ${task}\nmethod: lora\nloraPlusRatio: 4\n`);
    const output = ['--output', folder.path('idle')];
    expect(await diffora('train', '--config', config, ...output)).toEqual({
      code: 2,
      stdout: '',
      stderr: `${config}: loraPlusRatio is read by method loraplus alone; this run has method lora. Leave it out.\n`,
    });
    const flags = await diffora('train', ...quickRun(task, '--method', 'lora', '--keep', '0.3'), ...output);
    expect(flags).toMatchObject({ code: 2, stderr: expect.stringMatching(/^The flags: keep is read by select/) });
    expect(await readdir(folder.path('.'))).not.toContain('idle');
  });

  it('takes from a run.json what was at its default, also where another method would not read it', async () => {
    const record = folder.path('head', 'run.json');
    const args = ['--config', record, '--method', 'bitfit', '--output', folder.path('recorded')];
    expect(await diffora('train', ...args)).toMatchObject({ code: 0 });
    const search = await diffora('train', '--config', record, '--dam-lr', '0.03', '--output', folder.path('given'));
    expect(search).toMatchObject({ code: 2, stderr: expect.stringContaining('damLr is read by select') });
  });

  it('selects as a file says, like the flag, and by no other method than lora', async () => {
    const config = folder.path('where.yaml');
    await writeFile(config, 'select: random\n');
    const usual = `--model ${tinyModel} --text-column review --label-column stars --max-length 16 --task ${task}`.split(
      ' ',
    );
    const byFile = await diffora('select', ...usual, '--config', config, '--output', folder.path('by-file'));
    expect(byFile.code, byFile.stderr).toBe(0);
    const byFlag = await diffora('select', ...usual, '--select', 'random', '--output', folder.path('by-flag'));
    expect(byFlag.code, byFlag.stderr).toBe(0);
    const [one, other] = await Promise.all(['by-file', 'by-flag'].map((name) => jsonOf(folder.path(name, 'dam.json'))));
    expect(one).toEqual(other);
    expect(one.select).toBe('random');
    await writeFile(config, 'method: bitfit\n');
    const refused = await diffora('select', ...usual, '--config', config, '--output', folder.path('refused'));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('method is bitfit. Leave method out.') });
  });
});

describe('a revision of a hub model', () => {
  it('is written as PEFT has it, and taken again to predict', async () => {
    const commit = '0123456789abcdef0123456789abcdef01234567';
    const repository = folder.path('hf', 'hub', 'models--tiny--bert');
    await cp(tinyModel, join(repository, 'snapshots', commit), { recursive: true });
    await mkdir(join(repository, 'refs'));
    await writeFile(join(repository, 'refs', 'v1'), commit);
    vi.stubEnv('HF_HOME', folder.path('hf'));
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const output = folder.path('revision');
    const model = quickRun(task, '--method', 'head').map((one) => (one === tinyModel ? 'tiny/bert@v1' : one));
    expect((await diffora('train', ...model, '--output', output)).code).toBe(0);
    expect(await jsonOf(folder.path('revision', 'adapter', 'adapter_config.json'))).toMatchObject({
      base_model_name_or_path: 'tiny/bert',
      revision: commit,
    });
    expect((await diffora('predict', '--adapter', output, '--text', 'cat')).code).toBe(0);
    vi.unstubAllEnvs();
  });
});

describe('select', () => {
  it('writes the matrix that train --dam takes', async () => {
    const output = folder.path('where');
    expect((await diffora('select', ...without('--epochs'), '--keep', '0.3', '--output', output)).code).toBe(0);
    expect((await readdir(output)).sort()).toEqual(['dam.json', 'progress.jsonl', 'run.json']);
    const dam = folder.path('where', 'dam.json');
    const trained = await diffora('train', ...quickRun(task), '--dam', dam, '--json', '--output', folder.path('with'));
    // ρ·N = 0.3 · 6 rounds to 2 in each of the three layers.
    expect(resultOf(trained.stdout).parameters.adaptedModules).toBe(6);
    expect(await jsonOf(folder.path('with', 'dam.json'))).toEqual(await jsonOf(dam));
  });

  const without = (flag: string) => quickRun(task).filter((one, i, all) => one !== flag && all[i - 1] !== flag);
});

describe('eval', () => {
  const evaluate = async (...args: string[]) => {
    const { stdout, stderr } = await diffora(
      'eval',
      '--adapter',
      runOf('diffora'),
      '--json',
      '--threads',
      '1',
      ...args,
    );
    expect(stdout, stderr).not.toBe('');
    return resultOf(stdout);
  };

  it("gives the run's own dev scores again where a task file has that split", async () => {
    const { scores, examples, split } = await evaluate('--task', await taskFileOf(task));
    expect(scores).toEqual((await jsonOf(folder.path('diffora', 'run.json'))).scores.dev);
    expect([examples, split]).toEqual([4, 'dev']);
  });

  it('scores all rows of a data file, its columns and labels known from the adapter', async () => {
    const all = await evaluate('--task', task);
    expect(all).toMatchObject({ task: 'reviews', examples: 40, source: task });
    expect(all).not.toHaveProperty('split');
    const one = folder.path('one.jsonl');
    await writeFile(one, '{"review":"no, thanks 1","stars":"bad"}\n');
    const predicted = await diffora('predict', '--adapter', runOf('diffora'), '--input', one);
    const { scores, examples } = await evaluate('--task', one);
    expect([examples, scores.accuracy]).toEqual([1, JSON.parse(predicted.stdout).label === 'bad' ? 1 : 0]);
  });

  it('refuses a split of a data file, and a label that the adapter has not', async () => {
    const args = ['eval', '--adapter', runOf('lora'), '--quiet', '--task'];
    const split = await diffora(...args, task, '--split', 'test');
    expect(split).toMatchObject({ code: 2, stderr: expect.stringMatching(/All rows of .* are scored; leave --split/) });
    const odd = folder.path('odd.csv');
    await writeFile(odd, 'review,stars\nfine,good\nodd,ugly\n');
    const { code, stderr } = await diffora(...args, odd);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('odd.csv, line 3: the label "ugly"'),
    });
  });

  it('asks for the data where the adapter does not know its place', async () => {
    const { code, stderr } = await diffora('eval', '--adapter', runOf('lora'), '--quiet');
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('--task') });
  });
});

describe('predict', () => {
  it('prints label and probability of a text', async () => {
    const { stdout } = await diffora('predict', '--adapter', runOf('lora'), '--text', 'no, thanks');
    expect(stdout).toMatch(/^(bad|good) {2}0\.\d{3}\n$/);
  });

  it('writes a line for each row, in order, equal to what each text alone gives', async () => {
    const texts = ['no thanks', 'the cat sat on the mat, and then on the next mat', 'cat'];
    const input = folder.path('new.jsonl');
    await writeFile(input, texts.map((review) => `${JSON.stringify({ review, stars: '-1' })}\n`).join(''));
    const output = folder.path('labels.jsonl');
    const args = ['--adapter', runOf('diffora'), '--threads', '1'];
    expect((await diffora('predict', ...args, '--input', input, '--output', output)).code).toBe(0);
    const lines = (await readFile(output, 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    for (const [i, text] of texts.entries()) {
      const line = JSON.parse(lines[i]!);
      const alone = resultOf((await diffora('predict', ...args, '--text', text, '--json')).stdout);
      expect(Object.keys(line)).toEqual(['label', 'score', 'logits']);
      expect(line.label).toBe(alone.label);
      // Padding beside longer rows may change the last bits of a float32 sum.
      for (const [k, logit] of line.logits.entries()) expect(logit).toBeCloseTo(alone.logits[k], 5);
      const [a, b] = line.logits;
      expect(line.score).toBeCloseTo(1 / (1 + Math.exp(-Math.abs(a - b))), 12);
    }
  });

  it('takes CSV too, and prints JSON lines without --output', async () => {
    const input = folder.path('new.csv');
    await writeFile(input, 'id,review\n1,"no, thanks"\n2,cat\n');
    const { stdout } = await diffora('predict', '--adapter', runOf('head'), '--input', input);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => Object.keys(JSON.parse(line))),
    ).toEqual(Array(2).fill(['label', 'score', 'logits']));
  });
});

describe('inspect', () => {
  it('shows map, targets, parameters and scores of a run', async () => {
    const { stdout } = await diffora('inspect', runOf('diffora'));
    expect(stdout).toContain('[ ] kept: 12 of 18 modules');
    expect(stdout).toContain('LoRA        rank 2, alpha 4, 12 modules');
    expect(stdout).toContain('labels      bad, good (task reviews)');
    expect(stdout).toMatch(/^dev +accuracy/m);
  });

  it('tells a head-only run from one with adapters', async () => {
    expect((await diffora('inspect', runOf('head'))).stdout).toContain('only the head');
  });

  it('counts what the adapter file holds', async () => {
    const { adapter } = resultOf((await diffora('inspect', runOf('lora'), '--json')).stdout);
    // Rank 2 on three layers: query, key, value, attention.output of 32 + 32, intermediate and output of 32 + 64.
    expect(adapter.parameters.adapter).toBe(3 * 2 * (4 * 64 + 2 * 96));
    expect(adapter.targets.find(({ module }: { module: string }) => module === 'output.dense').layers).toEqual([
      0, 1, 2,
    ]);
  });

  it('writes out control characters that stand in names, as train does', async () => {
    const own = folder.path('control.csv');
    const rows = Array.from({ length: 16 }, (_, i) => `"text ${i}","${i % 2 === 0 ? 'good' : 'bad\u001b[2J'}"\n`);
    await writeFile(own, `review,stars\n${rows.join('')}`);
    const output = folder.path('control');
    const trained = await diffora('train', ...quickRun(own, '--method', 'head'), '--output', output);
    const { stdout } = await diffora('inspect', output);
    for (const text of [trained.stderr, stdout]) {
      expect(text).toContain('bad\\x1b[2J');
      expect(text).not.toContain('\u001b[2J');
    }
  });

  it('reads a dam.json', async () => {
    const { stdout } = await diffora('inspect', folder.path('diffora', 'dam.json'));
    expect(stdout).toMatch(/^kept +ratio 0.67, scope row, share none$/m);
  });

  it('shows family, modules with shapes and parameters of a model', async () => {
    const { stdout, code } = await diffora('inspect', tinyModel, '--quiet');
    expect(code).toBe(0);
    expect(stdout).toContain('BERT, 3 layers, up to 64 tokens');
    expect(stdout).toMatch(/^intermediate\.dense +32 +64$/m);
    expect(stdout).toContain('18 linear modules');
  });
});

describe('merge', () => {
  it('writes a checkpoint, and refuses to fold the adapter into it again, or to put it on top', async () => {
    const merged = folder.path('merged');
    const args = ['--adapter', runOf('diffora')];
    expect((await diffora('merge', ...args, '--output', merged)).code).toBe(0);
    expect((await readdir(merged)).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    const twice = await diffora('merge', ...args, '--model', merged, '--output', folder.path('twice'), '--quiet');
    expect(twice).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('folded in') });
    const onTop = await diffora('predict', ...args, '--model', merged, '--text', 'cat', '--quiet');
    expect(onTop).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('twice') });
    expect((await diffora('inspect', merged, '--quiet')).stdout).toMatch(/^merged +adapter [0-9a-f]{12}…$/m);
  });
});
