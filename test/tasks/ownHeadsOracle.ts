import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { oraclePath } from '../fixtures.js';

interface Scored {
  readonly label: string;
  readonly score: number;
}
/** A text or a pair, and what a sequence classifier says of it. */
export interface SequenceCase {
  readonly checkpoint: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly adapter: string | null;
  readonly text: string;
  readonly pair: string | null;
  readonly logits: readonly number[];
  /** Every label in the order of the outputs. */
  readonly pipeline: readonly Scored[];
}
interface Found {
  readonly entity_group: string;
  readonly score: number;
  readonly start: number;
  readonly end: number;
}
/** What transformers' pipelines answered (test/oracle/own_heads.py). */
interface OwnHeads {
  readonly sequences: readonly SequenceCase[];
  readonly entities: readonly { readonly text: string; readonly pipeline: readonly Found[] }[];
  readonly spans: readonly {
    readonly question: string;
    readonly passage: string;
    readonly answer: string;
    readonly start: number;
    readonly end: number;
    readonly score: number;
    readonly outsideIsLikelier: boolean;
  }[];
}

export const readOwnHeads = async (): Promise<OwnHeads> =>
  JSON.parse(await readFile(oraclePath('own-heads.json'), 'utf8'));

/** A copy of a checkpoint with tiny-bert's tokenizer and other keys in its config.json. */
export async function headedCopy(
  model: string,
  name: string,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  await cp(oraclePath(name), model, { recursive: true });
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    await cp(oraclePath('tiny-bert', file), join(model, file));
  }
  const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8'));
  await writeFile(join(model, 'config.json'), JSON.stringify({ ...config, ...changes }));
  return model;
}
