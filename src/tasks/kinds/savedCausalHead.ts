import { noAdapters } from '../../adapters/plan.js';
import { openDecoder } from '../../infer/decoder.js';
import { generate } from '../../infer/generate.js';
import { argmax } from '../../infer/sample.js';
import { stopIds } from '../../infer/stopIds.js';
import { isClass, type OwnHead, readingEach } from './ownHead.js';

declare module './ownHead.js' {
  interface ModelPredictions {
    /** Causal models: the greedy continuation, the likeliest next token, and the logits of all next tokens. */
    readonly next: {
      readonly text: string;
      readonly next: string;
      readonly id: number;
      readonly logits: readonly number[];
    };
  }
}

/** Tokens of a causal model's continuation; `diffora generate` has more to choose. */
const continuationTokens = 32;

/** The head of a causal checkpoint: the next token, and what follows greedily. */
export const savedCausalHead: OwnHead = {
  fits: ({ config }) => isClass(config, /(ForCausalLM|LMHeadModel)$/),
  taskType: 'CAUSAL_LM',
  open: readingEach(async ({ model, tokenizer }, { threads }) => {
    const stopTokenIds = await stopIds({ model, tokenizer });
    const decoder = await openDecoder(model, { plan: noAdapters, parameters: [], threads });
    const greedy = { temperature: 0, seed: 0, maxNewTokens: continuationTokens, maxLength: model.maxLength };
    return {
      async read(logits, ids, { signal }) {
        const made: number[] = [];
        for await (const id of generate(decoder, ids, { ...greedy, stopTokenIds, signal })) made.push(id);
        const id = argmax(logits);
        const text = tokenizer.decode(made, { skipSpecialTokens: true });
        return { text, next: tokenizer.decode([id]), id, logits: Array.from(logits) };
      },
      release: decoder.release,
    };
  }),
};
