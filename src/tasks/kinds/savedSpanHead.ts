import { isClass, type OwnHead } from './ownHead.js';

declare module './ownHead.js' {
  interface ModelPredictions {
    /** Question answering: the likeliest span, first token before last, and the logits of every token as start and end. */
    readonly span: {
      readonly answer: string;
      readonly start: number;
      readonly end: number;
      readonly startLogits: readonly number[];
      readonly endLogits: readonly number[];
    };
  }
}

/** The head of a checkpoint for question answering: the first and the last token of an answer. */
export const savedSpanHead: OwnHead = {
  fits: (config) => isClass(config, /ForQuestionAnswering$/),
  taskType: 'QUESTION_ANS',
  reader: ({ tokenizer }) => ({
    read(logits, ids) {
      const startLogits = ids.map((_, i) => logits[2 * i]!);
      const endLogits = ids.map((_, i) => logits[2 * i + 1]!);
      let best = { start: 0, end: 0, score: Number.NEGATIVE_INFINITY };
      let bestStart = 0;
      for (let end = 0; end < ids.length; end++) {
        if (startLogits[end]! > startLogits[bestStart]!) bestStart = end;
        const score = startLogits[bestStart]! + endLogits[end]!;
        if (score > best.score) best = { start: bestStart, end, score };
      }
      const { start, end } = best;
      const answer = tokenizer.decode(ids.slice(start, end + 1), { skipSpecialTokens: true }).trim();
      return { answer, start, end, startLogits, endLogits };
    },
  }),
};
