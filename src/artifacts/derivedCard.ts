import { type CardMetadata, cardMetadata, linked } from '../adapters/cardMetadata.js';
import type { TaskType } from '../models/model.js';

/** A model that was made of another and its adapter, as others load it. */
export interface DerivedCardInput extends Omit<CardMetadata, 'pipeline' | 'title'> {
  readonly taskType: TaskType;
  /** Of an encoder without a head. */
  readonly isHeadless?: boolean;
  /** What of the base model it is, as the end of a sentence. */
  readonly what: string;
  /** Files with their sizes and scores, as a table of Markdown. */
  readonly table?: string | undefined;
  /** How it is used, as Markdown. */
  readonly use: string;
}

/** What the hub calls a head. */
const pipelines: Readonly<Record<TaskType, string>> = {
  SEQ_CLS: 'text-classification',
  TOKEN_CLS: 'token-classification',
  QUESTION_ANS: 'question-answering',
  CAUSAL_LM: 'text-generation',
  MASKED_LM: 'fill-mask',
  FEATURE_EXTRACTION: 'feature-extraction',
  SEQ_2_SEQ_LM: 'text2text-generation',
};

/** What the hub, and transformers.js, call what a model does. */
export function pipelineName(taskType: TaskType, isHeadless: boolean): string {
  return pipelines[isHeadless ? 'FEATURE_EXTRACTION' : taskType];
}

/** README.md of a folder that `merge` or `export` writes: metadata that the hub reads, what it is, how it is used. */
export function derivedCard(input: DerivedCardInput): string {
  const { baseModel, taskType, isHeadless = false, what, table, use } = input;
  const name = baseModel
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .at(-1)!;
  const sections = [
    `---\n${cardMetadata({ ...input, title: name, pipeline: pipelineName(taskType, isHeadless) })}---`,
    `# ${name}`,
    `${linked(baseModel)} ${what}, made with diffora.`,
    ...(table === undefined ? [] : [table]),
    `## Use\n\n${use}`,
    '## Limits\n\n' +
      '- What was not measured above is not known; what the base model does wrong this one may do wrong too.\n' +
      '- The licences of the base model and of the data hold for it.',
  ];
  return `${sections.join('\n\n')}\n`;
}
