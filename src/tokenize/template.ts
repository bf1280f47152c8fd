import { isJsonObject } from '../files/jsonText.js';

/** A place of a template: the text (A), its pair (B), or special tokens. */
export type Piece =
  | { readonly kind: 'sequence'; readonly sequence: 'A' | 'B'; readonly typeId: number }
  | { readonly kind: 'special'; readonly ids: readonly number[]; readonly typeId: number };

/** What surrounds a text, and what surrounds a pair of texts. */
export interface Template {
  readonly single: readonly Piece[];
  readonly pair: readonly Piece[];
}

const A: Piece = { kind: 'sequence', sequence: 'A', typeId: 0 };
const B: Piece = { kind: 'sequence', sequence: 'B', typeId: 1 };
const PLAIN: Template = { single: [A], pair: [A, B] };

/**
 * Reads the `post_processor` of a tokenizer.json. Needed beside the library's own, because truncation happens between
 * tokens and template, and because the library takes an empty pair for no pair.
 *
 * @returns undefined for a kind that is not known here
 * @throws Error with the fault in words when a known kind is malformed
 */
export function readTemplate(postProcessor: unknown): Template | undefined {
  if (postProcessor === null || postProcessor === undefined) return PLAIN;
  if (!isJsonObject(postProcessor)) throw new Error('post_processor is not an object');
  switch (postProcessor.type) {
    case 'TemplateProcessing':
      return {
        single: readPieces(postProcessor.single, postProcessor.special_tokens),
        pair: readPieces(postProcessor.pair, postProcessor.special_tokens),
      };
    case 'BertProcessing': {
      const [cls, sep] = [special(postProcessor.cls, 0), special(postProcessor.sep, 0)];
      return { single: [cls, A, sep], pair: [cls, A, sep, B, { ...sep, typeId: 1 }] };
    }
    case 'RobertaProcessing': {
      const [cls, sep] = [special(postProcessor.cls, 0), special(postProcessor.sep, 0)];
      return { single: [cls, A, sep], pair: [cls, A, sep, sep, { ...B, typeId: 0 }, sep] };
    }
    case 'ByteLevel':
      return PLAIN;
    case 'Sequence': {
      if (!Array.isArray(postProcessor.processors)) throw new Error('post_processor.processors is not a list');
      const templates = postProcessor.processors.map(readTemplate);
      if (templates.includes(undefined)) return undefined;
      const telling = templates.filter((template) => template !== undefined && template !== PLAIN);
      return telling.length > 1 ? undefined : (telling[0] ?? PLAIN);
    }
    default:
      return undefined;
  }
}

/** Number of special tokens that a template adds. */
export function countSpecial(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + (piece.kind === 'special' ? piece.ids.length : 0), 0);
}

function readPieces(value: unknown, specialTokens: unknown): Piece[] {
  if (!Array.isArray(value)) throw new Error('post_processor.single or .pair is not a list');
  return value.map((entry: unknown): Piece => {
    const sequence = isJsonObject(entry) ? entry.Sequence : undefined;
    if (isJsonObject(sequence) && (sequence.id === 'A' || sequence.id === 'B')) {
      return { kind: 'sequence', sequence: sequence.id, typeId: typeId(sequence.type_id) };
    }
    const token = isJsonObject(entry) ? entry.SpecialToken : undefined;
    const known = isJsonObject(token) && isJsonObject(specialTokens) ? specialTokens[String(token.id)] : undefined;
    if (!isJsonObject(token) || !isJsonObject(known) || !isIds(known.ids)) {
      throw new Error(`post_processor has a piece that is not understood: ${JSON.stringify(entry)}`);
    }
    return { kind: 'special', ids: known.ids, typeId: typeId(token.type_id) };
  });
}

/** `["[CLS]", 101]` as BertProcessing and RobertaProcessing have it. */
function special(value: unknown, type: number): Piece & { kind: 'special' } {
  const id: unknown = Array.isArray(value) ? value[1] : undefined;
  if (typeof id !== 'number') throw new Error('post_processor.cls or .sep is not a [token, id] pair');
  return { kind: 'special', ids: [id], typeId: type };
}

function typeId(value: unknown): number {
  if (typeof value !== 'number') throw new Error('post_processor has a piece without type_id');
  return value;
}

function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'number');
}
