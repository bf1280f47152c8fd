import { PbfReader } from 'pbf';

/** Kinds of pieces (sentencepiece_model.proto, ModelProto.SentencePiece.Type). */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Piece {
  readonly piece: string;
  readonly score: number;
  readonly type: number;
}

/** What is needed of a SentencePiece model file. */
export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  readonly algorithm: 'unigram' | 'bpe';
  readonly byteFallback: boolean;
  readonly unknownId: number;
  /** Base64 of the compiled character map; undefined where there is none. */
  readonly charsmap: string | undefined;
}

/** More pieces than any vocabulary has; a limit so that a broken file cannot fill the memory. */
const mostPieces = 4_000_000;

/**
 * Reads a SentencePiece `.model` file: protocol buffers (sentencepiece_model.proto), fields that are not needed skipped.
 * @throws Error that says what is wrong in words
 */
export function parseSentencePiece(bytes: Uint8Array): SentencePieceModel {
  const pieces: Piece[] = [];
  const model = { algorithm: 1, byteFallback: false, unknownId: 0, charsmap: undefined as string | undefined };
  try {
    new PbfReader(bytes).readFields((field, _, pbf) => {
      if (field === 1) {
        if (pieces.length >= mostPieces) throw new Error('it has more pieces than any vocabulary');
        pieces.push(pbf.readMessage(readPiece, { piece: '', score: 0, type: pieceTypes.normal }));
      } else if (field === 2) pbf.readMessage(readTrainerSpec, model);
      else if (field === 3) pbf.readMessage(readNormalizerSpec, model);
    }, undefined);
  } catch (error) {
    throw new Error(`it is no SentencePiece model (${error instanceof Error ? error.message : String(error)})`);
  }
  if (pieces.length === 0) throw new Error('it has no pieces');
  if (model.algorithm !== 1 && model.algorithm !== 2) throw new Error('it is neither a unigram nor a BPE model');
  if (pieces.some(({ score }) => !Number.isFinite(score))) throw new Error('it has a piece whose score is no number');
  const { byteFallback, unknownId, charsmap } = model;
  return { pieces, algorithm: model.algorithm === 1 ? 'unigram' : 'bpe', byteFallback, unknownId, charsmap };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function readPiece(field: number, piece: Mutable<Piece>, pbf: PbfReader): void {
  if (field === 1) piece.piece = pbf.readString();
  else if (field === 2) piece.score = pbf.readFloat();
  else if (field === 3) piece.type = pbf.readVarint();
}

function readTrainerSpec(
  field: number,
  model: { algorithm: number; byteFallback: boolean; unknownId: number },
  pbf: PbfReader,
): void {
  if (field === 3) model.algorithm = pbf.readVarint();
  else if (field === 35) model.byteFallback = pbf.readBoolean();
  else if (field === 40) model.unknownId = pbf.readVarint(true);
}

function readNormalizerSpec(field: number, model: { charsmap: string | undefined }, pbf: PbfReader): void {
  if (field !== 2) return;
  const bytes = pbf.readBytes();
  model.charsmap = bytes.length === 0 ? undefined : Buffer.from(bytes).toString('base64');
}
