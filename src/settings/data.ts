import * as z from 'zod';
import { metricNames } from '../metrics/names.js';
import { trainedTurns } from '../tasks/chat/chatFormat.js';
import { TASKS } from '../tasks/known/registry.js';

/** Model and task: what is learned from, and what is scored. */
export const dataSettings = {
  model: z
    .string()
    .default('sentence-transformers/all-MiniLM-L6-v2')
    .describe('hub name, folder or GGUF file of the base model'),
  task: z
    .string()
    .describe(`${[...TASKS.keys()].join(', ')}, or a file: .csv, .tsv, .jsonl, .parquet, or .yaml that describes one`),
  dataDir: z
    .string()
    .optional()
    .describe('folder with a sub-folder for each known task (default: DIFFORA_DATA, else the hub)'),
  textColumn: z
    .string()
    .optional()
    .describe('column of the text in a data file (default: text, sentence or sentence1)'),
  pairColumn: z
    .string()
    .optional()
    .describe('column of the second text (default: pair or sentence2 where there is one)'),
  labelColumn: z.string().optional().describe('column of the label (default: label)'),
  maxTrainSamples: z
    .int()
    .positive()
    .optional()
    .describe('use this many training examples, drawn by seed and label (default: all)'),
  validationShare: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .describe('score on this share of the training data, held out, and not on dev'),
  scoreOn: z
    .enum(['dev', 'validation'])
    .optional()
    .describe('which examples are scored where a share is held out (default: those)'),
  validationLoss: z.boolean().optional().describe('report the mean loss of the held-out share beside the scores'),
  validationSeed: z.int().nonnegative().optional().describe('chooses which examples those are (default: the seed)'),
  maxEvalSamples: z
    .int()
    .positive()
    .optional()
    .describe('score on this many examples, the same for every seed (default: all)'),
  metrics: z
    .array(z.enum(metricNames))
    .min(1)
    .optional()
    .describe("some of the task's metrics, with commas, the first deciding (default: all)"),
  maxLength: z
    .int()
    .min(4)
    .optional()
    .describe(
      "longest sequence in tokens; longer ones are cut (default: the task's, else 128, or what 99% of the texts to be written need)",
    ),
  stride: z
    .int()
    .nonnegative()
    .optional()
    .describe('answers in passages: tokens that neighbouring windows of a long passage share (default: 128)'),
  trainOn: z
    .enum(trainedTurns)
    .default('assistant')
    .describe('chats: what is learned, every answer of the assistant, the last one, or all that is said'),
  chatTemplate: z
    .string()
    .optional()
    .describe("chats: chatml, llama3, gemma, zephyr, or a file of Jinja (default: the model's own, else chatml)"),
  prefix: z
    .string()
    .optional()
    .describe('translations, summaries: what stands before every text that is read (default: nothing)'),
  maxTargetLength: z
    .int()
    .min(2)
    .optional()
    .describe('translations, summaries: longest text to write in tokens; longer ones are cut (default: 128)'),
  nullScoreDiffThreshold: z
    .number()
    .default(0)
    .describe('answers in passages: no answer where its score is higher by more than this'),
};
