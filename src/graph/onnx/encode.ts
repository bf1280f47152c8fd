import { PbfWriter } from 'pbf';
import { joinedBytes } from '../../bytes.js';
import type { AttributeValue, TensorType } from '../primitive.js';
import { onnxTypes } from '../primitives/cast.js';
import type { DType, StoredLocation } from '../tensor.js';

/** An ONNX model in plain data. Field numbers below are those of onnx.proto3 (IR version 8, opset 17). */
export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

export interface OnnxNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

/** Element type of an initializer: those of the graph, and what quantised weights are kept as. */
export type OnnxDType = DType | 'uint8';

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: OnnxDType;
  readonly dims: readonly number[];
  /** Little-endian bytes, where a file has them, or what makes them when their turn comes. */
  readonly data: Uint8Array | ExternalLocation | LazyBytes;
}

/** Bytes of a file beside that of the model. */
export type ExternalLocation = Pick<StoredLocation, 'file' | 'offset' | 'length'>;

/** Bytes that are made when they are written, so that one weight is in memory at a time. */
export interface LazyBytes {
  readonly byteLength: number;
  read(): Promise<Uint8Array>;
}

/** An input or an output of a graph. */
export interface OnnxValue extends TensorType {
  readonly name: string;
}

const irVersion = 8;
const opset = 17;
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;
const externalLocation = 1;
/** Of TensorProto. */
const rawData = 9;
const tensorTypes: Readonly<Record<OnnxDType, number>> = { ...onnxTypes, uint8: 2 };

/**
 * Serialises a model (protobuf). External data are named by the base name of their file.
 * @throws Error for bytes that are still to be made: see {@link encodeParts}
 */
export function encodeModel(model: OnnxModel): Uint8Array {
  const parts = encodeParts(model).map((part) => {
    if (part instanceof Uint8Array) return part;
    throw new Error('a model in memory has all of its bytes');
  });
  return joinedBytes(parts);
}

/** The same as bytes and what makes bytes, in the order of the file: weights need not be in memory together. */
export function encodeParts(model: OnnxModel): (Uint8Array | LazyBytes)[] {
  const graph = [
    message((pbf) => {
      for (const node of model.nodes) pbf.writeMessage(1, writeNode, node);
      pbf.writeStringField(2, 'step');
    }),
    ...model.initializers.flatMap((initializer) => field(5, tensorParts(initializer))),
    message((pbf) => {
      for (const value of model.inputs) pbf.writeMessage(11, writeValue, value);
      for (const value of model.outputs) pbf.writeMessage(12, writeValue, value);
    }),
  ];
  const head = message((pbf) => {
    pbf.writeVarintField(1, irVersion);
    pbf.writeStringField(2, 'diffora');
  });
  const domains = new Set(['', ...model.nodes.map(({ domain }) => domain)]);
  const opsets = message((pbf) => {
    for (const domain of domains) pbf.writeMessage(8, writeOpset, { domain, version: domain === '' ? opset : 1 });
  });
  return [head, ...field(7, graph), opsets];
}

type Part = Uint8Array | LazyBytes;

function message(write: (pbf: PbfWriter) => void): Uint8Array {
  const pbf = new PbfWriter();
  write(pbf);
  return pbf.finish();
}

/** A length-delimited field around parts. */
function field(number: number, parts: readonly Part[]): Part[] {
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const start = message((pbf) => {
    pbf.writeVarint(number * 8 + 2);
    pbf.writeVarint(length);
  });
  return [start, ...parts];
}

function tensorParts({ name, dtype, dims, data }: OnnxInitializer): Part[] {
  const head = message((pbf) => {
    for (const dim of dims) pbf.writeVarintField(1, dim);
    pbf.writeVarintField(2, tensorTypes[dtype]);
    pbf.writeStringField(8, name);
    if (!('file' in data)) return;
    const entries = { location: data.file.split('/').at(-1)!, offset: `${data.offset}`, length: `${data.length}` };
    for (const [key, value] of Object.entries(entries)) pbf.writeMessage(13, writeEntry, { key, value });
    pbf.writeVarintField(14, externalLocation);
  });
  return 'file' in data ? [head] : [head, ...field(rawData, [data])];
}

function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  for (const name of node.inputs) pbf.writeStringField(1, name);
  for (const name of node.outputs) pbf.writeStringField(2, name);
  pbf.writeStringField(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, { name, value });
  if (node.domain !== '') pbf.writeStringField(7, node.domain);
}

function writeAttribute({ name, value }: { name: string; value: AttributeValue }, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if ('float' in value) {
    pbf.writeFloatField(2, value.float);
    pbf.writeVarintField(20, attributeTypes.float);
  } else if ('int' in value) {
    pbf.writeVarintField(3, value.int);
    pbf.writeVarintField(20, attributeTypes.int);
  } else if ('string' in value) {
    pbf.writeStringField(4, value.string);
    pbf.writeVarintField(20, attributeTypes.string);
  } else {
    for (const int of value.ints) pbf.writeVarintField(8, int);
    pbf.writeVarintField(20, attributeTypes.ints);
  }
}

function writeEntry({ key, value }: { key: string; value: string }, pbf: PbfWriter): void {
  pbf.writeStringField(1, key);
  pbf.writeStringField(2, value);
}

function writeValue(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, value.name);
  pbf.writeMessage(2, (type, typePbf) => typePbf.writeMessage(1, writeTensorType, type), value);
}

function writeTensorType({ dtype, shape }: TensorType, pbf: PbfWriter): void {
  pbf.writeVarintField(1, onnxTypes[dtype]);
  pbf.writeMessage(
    2,
    (dims, shapePbf) => {
      for (const dim of dims) {
        shapePbf.writeMessage(
          1,
          (size, dimPbf) => {
            if (typeof size === 'number') dimPbf.writeVarintField(1, size);
            else dimPbf.writeStringField(2, size);
          },
          dim,
        );
      }
    },
    shape,
  );
}

function writeOpset({ domain, version }: { domain: string; version: number }, pbf: PbfWriter): void {
  pbf.writeStringField(1, domain);
  pbf.writeVarintField(2, version);
}
