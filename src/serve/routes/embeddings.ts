import * as z from 'zod';
import type { EncodedExample } from '../../engine/batch.js';
import { badRequest, readingRequest } from '../apiError.js';
import { readBody, withoutEffect } from '../readBody.js';
import type { Route } from '../route.js';
import type { ServedModel } from '../servedModel.js';
import { eachText, refuseUnknownIds, textsOrIds } from './tokenIds.js';

const schema = z.strictObject({
  model: z.string(),
  input: textsOrIds,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().positive().nullish(),
  ...withoutEffect,
});

/** OpenAI's embeddings: a vector of length 1 for each text, as sentence-transformers makes it. */
export const embeddings: Route = {
  path: '/v1/embeddings',
  async answer({ body, signal }, { model: find, metrics }) {
    const { model, input, encoding_format: format, dimensions } = readBody(body, schema);
    const served = find(model);
    const { maxLength, rows } = await served.embedding();
    const encoded = eachText(input).map((one, index): EncodedExample => {
      const { ids, tokenTypeIds } =
        typeof one === 'string'
          ? readingRequest('input', () => served.tokenizer.encode(one))
          : { ids: one, tokenTypeIds: [] };
      checkIds(ids, maxLength, served, index);
      const types = Int32Array.from(ids, (_, i) => tokenTypeIds[i] ?? 0);
      return { inputIds: Int32Array.from(ids), tokenTypeIds: types, label: undefined, index };
    });
    const vectors = await Promise.all(encoded.map((row) => rows.run(row, signal)));
    const width = vectors[0]!.length;
    if (dimensions != null && dimensions !== width) {
      throw badRequest(`dimensions is ${dimensions}; the vectors of ${served.name} have ${width}.`, 'dimensions');
    }
    const tokens = encoded.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
    metrics.promptTokens.add({ model: served.name }, tokens);
    return {
      object: {
        object: 'list',
        model: served.name,
        data: vectors.map((vector, index) => ({
          object: 'embedding',
          index,
          embedding: format === 'base64' ? base64(vector) : Array.from(vector),
        })),
        usage: { prompt_tokens: tokens, total_tokens: tokens },
      },
    };
  },
};

function checkIds(ids: readonly number[], maxLength: number, served: ServedModel, index: number): void {
  const what = `Text ${index + 1}`;
  if (ids.length === 0) throw badRequest(`${what} has no tokens.`, 'input');
  if (ids.length > maxLength) {
    throw badRequest(
      `${what} has ${ids.length} tokens; ${served.name} takes ${maxLength}. Cut it into parts.`,
      'input',
    );
  }
  refuseUnknownIds(what, ids, served, 'input');
}

/** Little-endian floats, as OpenAI's clients read them. */
function base64({ buffer, byteOffset, byteLength }: Float32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
