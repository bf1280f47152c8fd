import type { LogitsProgram, Model } from '../../models/model.js';
import { host } from '../../runtime/deviceTensor.js';
import { openModelFile } from '../../runtime/session.js';

/** The model with an exported file in the place of its graph. Generation is not scored by files: undefined. */
export function withFile(model: Model, file: string): Model | undefined {
  if (model.outputsOf === 'nextToken') return undefined;
  return {
    ...model,
    async program({ threads }): Promise<LogitsProgram> {
      const session = await openModelFile(file, { threads });
      return {
        async run(feeds) {
          const results = await session.run(feeds);
          const values = (name: string) => results[name]!.data as Float32Array;
          const data =
            model.taskType === 'QUESTION_ANS' ? paired(values('start_logits'), values('end_logits')) : values('logits');
          return { logits: host.tensor(data, [data.length / model.numLabels, model.numLabels]) };
        },
        release: session.release,
      };
    },
  };
}

/** Start and end of each token beside each other. */
function paired(start: Float32Array, end: Float32Array): Float32Array {
  const both = new Float32Array(2 * start.length);
  for (let i = 0; i < start.length; i++) both.set([start[i]!, end[i]!], 2 * i);
  return both;
}
