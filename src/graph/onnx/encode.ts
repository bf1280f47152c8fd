import { PbfWriter } from 'pbf';
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

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  /** Little-endian bytes, or where a file has them. */
  readonly data: Uint8Array | StoredLocation;
}

/** An input or an output of a graph. */
export interface OnnxValue extends TensorType {
  readonly name: string;
}

const irVersion = 8;
const opset = 17;
const attributeTypes = { float: 1, int: 2, string: 3, ints: 7 } as const;
const externalLocation = 1;

/** Serialises a model (protobuf). External data are named by the base name of their file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, irVersion);
  pbf.writeStringField(2, 'diffora');
  pbf.writeMessage(7, writeGraph, model);
  pbf.writeMessage(8, writeOpset, { domain: '', version: opset });
  pbf.writeMessage(8, writeOpset, { domain: 'com.microsoft', version: 1 });
  return pbf.finish();
}

function writeGraph(model: OnnxModel, pbf: PbfWriter): void {
  for (const node of model.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, 'step');
  for (const initializer of model.initializers) pbf.writeMessage(5, writeInitializer, initializer);
  for (const value of model.inputs) pbf.writeMessage(11, writeValue, value);
  for (const value of model.outputs) pbf.writeMessage(12, writeValue, value);
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

function writeInitializer({ name, dtype, dims, data }: OnnxInitializer, pbf: PbfWriter): void {
  for (const dim of dims) pbf.writeVarintField(1, dim);
  pbf.writeVarintField(2, onnxTypes[dtype]);
  pbf.writeStringField(8, name);
  if (data instanceof Uint8Array) {
    pbf.writeBytesField(9, data);
    return;
  }
  const entries = { location: data.file.split('/').at(-1)!, offset: `${data.offset}`, length: `${data.length}` };
  for (const [key, value] of Object.entries(entries)) pbf.writeMessage(13, writeEntry, { key, value });
  pbf.writeVarintField(14, externalLocation);
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
