import { isJsonObject } from '../../files/jsonText.js';

/** A tokenizer.json, as the tokenizers library writes it. */
export interface TokenizerDescription {
  readonly version: '1.0';
  readonly added_tokens: readonly AddedToken[];
  readonly normalizer: JsonPart | null;
  readonly pre_tokenizer: JsonPart | null;
  readonly post_processor: JsonPart | null;
  readonly decoder: JsonPart | null;
  readonly model: JsonPart;
}

/** A part with its `type`; the rest of its keys depend on it. */
export type JsonPart = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A token that is found in a text before anything else is done to it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** tokenizer_config.json and special_tokens_map.json, the first winning. */
export type Settings = Readonly<Record<string, unknown>>;

export function addedToken(id: number, content: string, changed: Partial<AddedToken> = {}): AddedToken {
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return { id, content, ...plain, ...changed };
}

/** The text of a token that the settings name as a string or as an object. */
export function tokenNamed(settings: Settings, name: string, usual: string): string {
  const value = settings[name];
  const content = isJsonObject(value) ? value.content : value;
  return typeof content === 'string' ? content : usual;
}

export function flag(settings: Settings, name: string, usual: boolean): boolean {
  const value = settings[name];
  return typeof value === 'boolean' ? value : usual;
}

/**
 * The named special tokens as added tokens, and what `added_tokens_decoder` of the settings adds.
 * @param idOf id of a token of the vocabulary
 * @param next id of the first token that the vocabulary does not have
 */
export function specialTokens(
  settings: Settings,
  names: Readonly<Record<string, string>>,
  idOf: (token: string) => number | undefined,
  next: number,
): AddedToken[] {
  const tokens = new Map<string, AddedToken>();
  let free = next;
  for (const [name, usual] of Object.entries(names)) {
    const content = tokenNamed(settings, name, usual);
    if (tokens.has(content)) continue;
    const options = isJsonObject(settings[name]) ? optionsOf(settings[name]) : {};
    tokens.set(content, addedToken(idOf(content) ?? free++, content, { ...options, special: true }));
  }
  const decoder = settings.added_tokens_decoder;
  if (isJsonObject(decoder)) {
    for (const [id, token] of Object.entries(decoder)) {
      if (!isJsonObject(token) || typeof token.content !== 'string') continue;
      tokens.set(token.content, addedToken(Number(id), token.content, optionsOf(token)));
    }
  }
  return [...tokens.values()].sort((a, b) => a.id - b.id);
}

function optionsOf(token: Readonly<Record<string, unknown>>): Partial<AddedToken> {
  const names = ['single_word', 'lstrip', 'rstrip', 'normalized', 'special'] as const;
  return Object.fromEntries(names.flatMap((name) => (typeof token[name] === 'boolean' ? [[name, token[name]]] : [])));
}

/** `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, the second part of token type 1: BERT, DeBERTa, ALBERT. */
export function bertTemplate(cls: AddedToken, sep: AddedToken): JsonPart {
  const special = ({ content: id }: AddedToken, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
  const single = [special(cls, 0), text('A', 0), special(sep, 0)];
  return {
    type: 'TemplateProcessing',
    single,
    pair: [...single, text('B', 1), special(sep, 1)],
    special_tokens: Object.fromEntries(
      [cls, sep].map(({ content, id }) => [content, { id: content, ids: [id], tokens: [content] }]),
    ),
  };
}
