import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { fitted } from '../../src/wrapped.js';

/** What a command writes on a terminal of so many columns. */
async function written(args: readonly string[], columns: number) {
  const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: true, columns })];
  await runProgram(args, { stdout, stderr, screen: { width: columns, colorLevel: 0 } });
  const textOf = (stream: PassThrough): string => stream.read()?.toString() ?? '';
  return { stdout: textOf(stdout), stderr: textOf(stderr) };
}

const commands = [
  'demo',
  'train',
  'select',
  'eval',
  'predict',
  'generate',
  'serve',
  'inspect',
  'merge',
  'export',
  'push',
  'compare',
];

describe.each([[60], [80], [120]])('help on a terminal of %i columns', (columns) => {
  it.each([[], ...commands.map((name) => [name])])('breaks no word: %j', async (...names) => {
    const { stdout } = await written([...names, '--help'], columns);
    const long = stdout.split('\n').filter((line) => line.length > columns && line.trim().includes(' '));
    expect(long).toEqual([]);
  });

  it('has every word that it has without an end', async () => {
    const words = (text: string) => text.split(/\s+/).filter((word) => word !== '\\');
    const [narrow, wide] = [await written(['train', '--help'], columns), await written(['train', '--help'], 10_000)];
    expect(words(narrow.stdout)).toEqual(words(wide.stdout));
  });
});

describe('messages', () => {
  it('are broken at spaces on a terminal, and are one line elsewhere', async () => {
    const { stderr } = await written(['train', '--output', 'x', '--task', 'nothing-like-it'], 60);
    expect(stderr).toContain('There is no task');
    expect(stderr.split('\n').filter((line) => line.length > 60)).toEqual([]);
    expect(fitted('a b c', { isTTY: true, columns: 3 })).toBe('a b\nc');
    expect(fitted('a b c', { columns: 3 })).toBe('a b c');
  });
});
