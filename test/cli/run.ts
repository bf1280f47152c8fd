import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Writable } from 'node:stream';
import { expect } from 'vitest';
import { adapterMethods } from '../../src/adapters/registry.js';
import { runProgram } from '../../src/cli/program.js';
import { adapterMethodName, type Method } from '../../src/settings/config.js';
import { oraclePath } from '../fixtures.js';

/** A BERT of three layers, 32 wide, with its tokenizer. */
export const tinyModel = oraclePath('tiny-bert-backbone');

/** Writes a checkpoint of the family oracle with a tokenizer of letters, which has no more ids than it has rows. */
export async function letterModel(name: string, model: string): Promise<string> {
  await cp(oraclePath('families', name), model, { recursive: true });
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...letters, ...letters.map((one) => `##${one}`)];
  await writeFile(join(model, 'vocab.txt'), `${vocabulary.join('\n')}\n`);
  const config = { tokenizer_class: 'BertTokenizer', pad_token: '[PAD]', model_max_length: 18 };
  await writeFile(join(model, 'tokenizer_config.json'), JSON.stringify(config));
  return model;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process, as for pipes: no colours, no bars. */
export async function diffora(...args: readonly string[]): Promise<Outcome> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const code = await runProgram(args, { stdout, stderr, screen: { width: 100, colorLevel: 0 } });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

class Collector extends Writable {
  text = '';

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** The result among the records of `--json`: the last line. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects.
export function resultOf(stdout: string): any {
  const { event, ...result } = JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
  if (event !== 'result') throw new Error(`the last line is no result: ${stdout}`);
  return result;
}

export async function temporaryFolder(): Promise<{
  path: (...parts: string[]) => string;
  remove: () => Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), 'diffora-cli-'));
  return { path: (...parts) => join(folder, ...parts), remove: () => rm(folder, { recursive: true, force: true }) };
}

/** Forty rows of two classes with columns `review` and `stars`, some quoted. */
export async function writeReviews(file: string): Promise<void> {
  const rows = Array.from({ length: 20 }, (_, i) => `"no, thanks ${i}",bad\nthe cat sat on the mat ${i},good\n`);
  await writeFile(file, `review,stars\n${rows.join('')}`);
}

/** A temporary folder with a task of reviews in it. */
export async function reviewsFolder() {
  const folder = await temporaryFolder();
  const task = folder.path('reviews.csv');
  await writeReviews(task);
  return { folder, task };
}

/** The same with a finished run of LoRA on them. */
export async function trainedReviews() {
  const { folder, task } = await reviewsFolder();
  const run = folder.path('run');
  const { code, stderr } = await diffora('train', ...quickRun(task), '--method', 'lora', '--output', run);
  expect(code, stderr).toBe(0);
  return { folder, task, run };
}

/** A task file beside a data file with the columns of {@link writeReviews}, `columns` where they are others: its path. */
export async function taskFileOf(file: string, columns = '{ text: review, label: stars }'): Promise<string> {
  const description = file.replace(/\.\w+$/, '.yaml');
  await writeFile(description, `train: ${basename(file)}\ncolumns: ${columns}\n`);
  return description;
}

/** Flags of a run over these rows that takes less than a second, at rank 2 unless `more` say that there is none. */
export function quickRun(task: string, ...more: readonly string[]): string[] {
  const method = more.includes('--method') ? more[more.lastIndexOf('--method') + 1]! : 'diffora';
  const { settings } = adapterMethods[adapterMethodName({ method: method as Method })];
  const rank = Object.hasOwn(settings, 'rank') && !more.includes('--adapter') ? ['--rank', '2'] : [];
  const usual = `--model ${tinyModel} --text-column review --label-column stars --epochs 2 --batch-size 8 --max-length 16`;
  return [...usual.split(' '), '--threads', '1', '--task', task, ...rank, ...more];
}
