import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program.js';
import { oraclePath } from '../fixtures.js';

/** A BERT of three layers, 32 wide, with its tokenizer. */
export const tinyModel = oraclePath('tiny-bert-backbone');

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

/** Flags of a run over these rows that takes less than a second. */
export const quickRun = (task: string): string[] =>
  `--model ${tinyModel} --text-column review --label-column stars --rank 2 --epochs 2 --batch-size 8 --max-length 16 --threads 1`
    .split(' ')
    .concat('--task', task);
