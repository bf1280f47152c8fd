import { isJsonObject } from '../../../files/jsonText.js';
import { stopIds } from '../../../infer/stopIds.js';
import type { OpenedModel } from '../../../models/loading/withHead.js';
import { readTokenizer } from '../../../tokenize/loadTokenizer.js';
import { refuse } from '../refusal.js';
import { bool, type GgufMetadata, text, uint32 } from '../values.js';
import { byteLevelMetadata } from './byteLevel.js';
import { sentencePieceMetadata } from './sentencePiece.js';

/**
 * A tokenizer as `tokenizer.ggml.*`, so that llama.cpp gives the same ids.
 * @param warn is told in what texts it cannot
 * @throws Refusal for a tokenizer that GGUF cannot hold
 */
export async function tokenizerMetadata(
  opened: Pick<OpenedModel, 'model' | 'tokenizer'>,
  warn: (line: string) => void,
): Promise<GgufMetadata> {
  const { model, tokenizer } = opened;
  const { description } = await readTokenizer(model.checkpoint.folder);
  const kind = isJsonObject(description.model) ? description.model : {};
  if (kind.type !== undefined && kind.type !== 'BPE') {
    refuse(
      `its tokenizer is of the kind ${String(kind.type)}; of GGUF's, BPE of bytes or of SentencePiece can be written`,
    );
  }
  const vocabulary = kind.byte_fallback === true ? sentencePieceMetadata : byteLevelMetadata;
  const { chatTemplate } = tokenizer;
  return {
    ...vocabulary(description, kind, model.vocabSize, warn),
    ...(await specialIds(opened, warn)),
    ...(chatTemplate === undefined ? {} : { 'tokenizer.chat_template': text(chatTemplate) }),
  };
}

/** Keys of the tokens that end a text, as many as there are. */
const endKeys = ['eos', 'eot', 'eom'];

async function specialIds(
  opened: Pick<OpenedModel, 'model' | 'tokenizer'>,
  warn: (line: string) => void,
): Promise<GgufMetadata> {
  const { model, tokenizer } = opened;
  const { ids, start } = tokenizer.enclose([]);
  const [before, after] = [ids.slice(0, start), ids.slice(start)];
  const bos = before[0] ?? tokenizer.bosTokenId ?? idOf(model.checkpoint.config.bos_token_id);
  const stops = await stopIds(opened);
  const ends = [...new Set([...after, ...stops])];
  const own = tokenizer.eosTokenId;
  if (ends.length === 0) refuse('no token ends its texts (eos_token_id), and llama.cpp would take one of its own');
  if (own !== undefined && stops.includes(own) && after.length === 0)
    ends.sort((a, b) => Number(b === own) - Number(a === own));
  if (before.length > 1 || after.length > 1) {
    refuse(
      `its texts stand between ${before.length} and ${after.length} special tokens; llama.cpp knows one at either end`,
    );
  }
  if (ends.length > endKeys.length)
    warn(`of the ${ends.length} tokens that end a text, llama.cpp is told of ${endKeys.length}.`);
  const named = { unknown: tokenizer.specialTokens.unk_token, padding: tokenizer.specialTokens.pad_token };
  const byName = Object.entries(named).flatMap(([key, token]) => {
    const id = token === undefined ? undefined : tokenizer.tokenToId(token);
    return id === undefined ? [] : [[`tokenizer.ggml.${key}_token_id`, uint32(id)] as const];
  });
  return {
    ...(bos === undefined ? {} : { 'tokenizer.ggml.bos_token_id': uint32(bos) }),
    ...Object.fromEntries(ends.slice(0, 3).map((id, i) => [`tokenizer.ggml.${endKeys[i]}_token_id`, uint32(id)])),
    ...Object.fromEntries(byName),
    'tokenizer.ggml.add_bos_token': bool(before.length > 0),
    'tokenizer.ggml.add_eos_token': bool(after.length > 0),
  };
}

function idOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : undefined;
}
