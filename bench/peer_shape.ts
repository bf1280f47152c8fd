import * as z from 'zod';

/** Model, batch and adapters of a run: what bench/peer_torch.py reports when it is ready. */
export const shapeSchema = z.object({
  /** `model_type` of config.json, and what it holds beside the sizes. */
  modelType: z.string(),
  extra: z.record(z.string(), z.unknown()),
  hiddenSize: z.int(),
  layers: z.int(),
  heads: z.int(),
  intermediateSize: z.int(),
  vocabSize: z.int(),
  maxPositions: z.int(),
  /** What is learned: classes of sequences, vectors of pairs, or the last tokens of a conversation. */
  objective: z.enum(['classes', 'vectors', 'answers']),
  batch: z.int(),
  sequence: z.int(),
  /** Tokens of the second column of pairs; 0: there is none. */
  passage: z.int(),
  /** Tokens of each sequence that are learned; 0: none. */
  learned: z.int(),
  rank: z.int(),
  alpha: z.number(),
  targets: z.array(z.string()),
});
export type PeerShape = z.infer<typeof shapeSchema>;

/** The first line of either side. */
export const readySchema = z.object({
  versions: z.record(z.string(), z.string()),
  shape: shapeSchema,
  threads: z.int(),
  dropout: z.number(),
  trainableParameters: z.int(),
});
export type Ready = z.infer<typeof readySchema>;

export const stepsSchema = z.object({ seconds: z.array(z.number()), loss: z.number() });
export const peakSchema = z.object({ peakRssBytes: z.number() });

/** Operations of a step's products of matrices, and how many the device does in a second. */
export const productsSchema = z.object({ productOperations: z.number(), peakPerSecond: z.number() });
