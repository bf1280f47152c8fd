import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { openBoard } from '../../src/board/board.js';
import { Series } from '../../src/board/series.js';
import type { RunView } from '../../src/board/view.js';
import { diffora, quickRun } from '../cli/run.js';
import { built, startDiffora } from '../cli/started.js';
import { until } from '../until.js';
import { listen, read } from './call.js';
import { folderOfRuns } from './folderOfRuns.js';

const folder = folderOfRuns((path) => openBoard({ folders: [path()], page: built('dist', 'board', 'page') }));
const { runs, table, run } = folder;
const long = ['--method', 'lora', '--epochs', '4000'];

describe('a run that is started in a terminal', () => {
  it('appears by itself within a second of its first line, its curves grow, and it is stopped when it is ended', async () => {
    const changed = listen(folder.board, '/api/events', (events) =>
      events.some((event) => (event.runs as RunView[] | undefined)?.some(({ name }) => name === 'live')),
    );
    const started = startDiffora('train', ...quickRun(folder.task, ...long), '--output', runs('live'));
    await changed;
    await until(async () => ((await run('live'))?.phase?.done ?? 0) > 20, started.ended);
    expect(await run('live')).toMatchObject({
      id: '0/live',
      state: 'running',
      command: 'train',
      method: 'lora',
      canStop: true,
      saves: false,
      phase: { name: 'train' },
    });
    const points = await listen(folder.board, '/api/events?run=0%2Flive', (events) =>
      events.some(({ type }) => type === 'points'),
    );
    const { series } = points.find(({ type }) => type === 'points') as { series?: Record<string, { x: number[] }> };
    expect(series!.loss!.x.length).toBeGreaterThan(0);
    const { series: curves, totalSteps, config } = await read(folder.board, '/api/run?id=0/live');
    expect(curves.loss.x[0]).toBe(1);
    expect(curves.loss.y.length).toBe(curves.loss.x.length);
    expect(curves.memory.y[0]).toBeGreaterThan(1e7);
    expect(totalSteps).toBe(4000 * 5);
    expect(config.method).toBe('lora');
    started.child.kill('SIGINT');
    await started.ended;
    // Nothing of it is left on disk; the board has seen it, and says what became of it.
    await until(async () => (await run('live'))?.state === 'stopped');
    expect(await run('live')).toMatchObject({ isGone: true, canStop: false, isSaved: false });
  });

  it('shows as stopped where its process dies, and as one that can go on where it has a checkpoint', async () => {
    const bare = startDiffora('train', ...quickRun(folder.task, ...long), '--output', runs('bare'));
    const saved = startDiffora(
      'train',
      ...quickRun(folder.task, ...long),
      '--save-steps',
      '5',
      '--output',
      runs('saved'),
    );
    await until(async () => ((await run('bare'))?.phase?.done ?? 0) > 5, bare.ended);
    await until(async () => ((await run('saved'))?.phase?.done ?? 0) > 5, saved.ended);
    for (const { child } of [bare, saved]) child.kill('SIGKILL');
    await Promise.all([bare.ended, saved.ended]);
    await until(async () => (await table()).every(({ state }) => state === 'stopped'));
    expect(await run('saved')).toMatchObject({ isSaved: true, saves: true, isGone: false });
    expect(await run('bare')).toMatchObject({ isSaved: false });
  });
});

describe('a run that has ended', () => {
  it('has its scores, its matrix as it formed, its messages and what repeats it', async () => {
    const args = ['train', ...quickRun(folder.task, '--eval-steps', '4'), '--output', runs('sub', 'one')];
    expect((await diffora(...args)).code).toBe(0);
    expect(await run('sub/one')).toMatchObject({
      state: 'done',
      method: 'diffora',
      metric: 'accuracy',
      hasAdapter: true,
      hasMatrix: true,
      isGone: false,
    });
    const { matrix, series, command, files, scores, record } = await read(folder.board, '/api/run?id=0/sub/one');
    expect(matrix.modules).toHaveLength(6);
    expect(matrix.final.gamma.flat().filter((one: number) => one === 1).length).toBeGreaterThan(0);
    expect(matrix.frames.length).toBe(series['search entropy'].x.length);
    expect(series['score accuracy'].x.length).toBeGreaterThan(0);
    expect(scores.accuracy).toBe(record.scores.dev.accuracy);
    expect(command).toContain('npx diffora train');
    expect(command).toContain('--rank 2');
    expect(command).not.toContain('--method');
    expect(files.map(({ path }: { path: string }) => path)).toContain('adapter/README.md');
    // The command is one that runs.
    const words = command.replaceAll('\\\n', ' ').split(/\s+/).slice(2);
    words[words.indexOf('--output') + 1] = runs('again');
    const again = await diffora(...words);
    expect(again.code, again.stderr).toBe(0);
    const [first, second] = [await run('sub/one'), await run('again')];
    expect(second!.score).toBe(first!.score);
  });

  it('is told of as one that cannot be read where its run.json is damaged', async () => {
    await mkdir(runs('bad'));
    await writeFile(runs('bad', 'run.json'), '{"format": "diffora-run/1"');
    expect(await run('bad')).toMatchObject({ state: 'failed' });
    expect((await run('bad'))!.error).toContain('run.json is not valid JSON');
  });
});

describe('runs that lie in one another', () => {
  const record = JSON.stringify({
    format: 'diffora-run/1',
    command: 'train',
    config: { method: 'lora' },
    task: 't',
    model: { name: 'm', folder: '/', family: 'bert' },
    seconds: { total: 1 },
    peakMemoryBytes: 1,
  });
  const put = async (...path: string[]) => {
    await mkdir(runs(...path), { recursive: true });
    await writeFile(runs(...path, 'run.json'), record);
  };

  it('are all found, so deep and no deeper, where a folder of them has a run.json or a comparison of its own', async () => {
    await put('outer');
    await put('outer', 'inner', 'one');
    await put('outer', 'adapter', 'none');
    await put('compared', 'runs', 'cola-lora-1');
    await writeFile(runs('compared', 'records-1-of-2.jsonl'), '{"kind": "trial"}\n{"kind": "run"}\n');
    await put('1', '2', '3', '4', '5', '6');
    await put('1', '2', '3', '4', '5', '6', '7');
    await put('elsewhere', 'two');
    await symlink(runs('elsewhere'), runs('outer', 'linked'));
    // The board may have looked at the folder while they were made.
    await until(async () => (await table()).length >= 5);
    const names = (await table()).map(({ name }) => name).sort();
    expect(names).toEqual(['1/2/3/4/5/6', 'compared/runs/cola-lora-1', 'elsewhere/two', 'outer', 'outer/inner/one']);
    expect((await read(folder.board, '/api/board')).comparisons).toMatchObject([
      { name: 'compared', trials: 1, runs: 1 },
    ]);
  });
});

describe('the command', () => {
  it.each([
    [['nowhere-at-all'], 1, 'Cannot show nowhere-at-all: no such file or folder.'],
    [['package.json'], 1, 'is a file, and a folder is to be shown.'],
    [['.', '.'], 2, '. is given twice. Leave one out.'],
    [['--port', '70000'], 2, 'It takes a whole number from 0 to 65535.'],
    [['--port', 'http'], 2, 'It takes a whole number from 0 to 65535.'],
    [['--jobs', '0'], 2, 'It takes a whole number of at least 1.'],
    [['--read-onl'], 2, 'Nearest: --read-only'],
  ])('says what is wrong with %j', async (args, code, sentence) => {
    expect(await diffora('board', ...args)).toMatchObject({ code, stderr: expect.stringContaining(sentence) });
  });
});

describe('a curve in little memory', () => {
  it('keeps at most a thousand points, whose means are those of the values', () => {
    const series = new Series();
    for (let x = 1; x <= 100_000; x++) series.add(x, x % 2 === 0 ? 1 : 3);
    const { x, y } = series.view();
    expect(x.length).toBeLessThanOrEqual(1001);
    expect(x.length).toBeGreaterThan(500);
    expect(x.at(-1)).toBe(100_000);
    expect(new Set(y)).toEqual(new Set([2]));
  });

  it('takes back what a run that goes on from a checkpoint tells again', () => {
    const series = new Series();
    for (let x = 1; x <= 10; x++) series.add(x, x);
    series.cut(6);
    series.add(6, 60);
    expect(series.view()).toEqual({ x: [1, 2, 3, 4, 5, 6], y: [1, 2, 3, 4, 5, 60] });
  });
});
