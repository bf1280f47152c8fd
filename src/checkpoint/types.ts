import type { ComputeDevice } from '../runtime/devices/computeDevice.js';

/** Element types of safetensors files that diffora reads. */
export type TensorDType = 'F32' | 'F16' | 'BF16' | 'F64' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** A tensor as it lies in a file: nothing of its data is in memory. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: TensorDType;
  readonly shape: readonly number[];
  /** Real path (links resolved) of the file that holds it. */
  readonly file: string;
  /** Absolute byte offset in that file. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
}

/** What a checkpoint lies on: a computer with its files, or a tab of a browser. */
export interface Machine {
  /** Runs graphs where no other device is asked for. */
  readonly device: ComputeDevice;
  /** A tensor's bytes as they lie: little-endian, row-major. @throws DiffoError where they cannot be read */
  readBytes(tensor: StoredTensor): Promise<Uint8Array>;
  /** True where two tensors hold the same: type, shape and every byte. @throws DiffoError where they cannot be read */
  isSame(a: StoredTensor, b: StoredTensor): boolean;
}

/** A Hugging Face model folder, opened but not read: weights stay in their file. */
export interface Checkpoint {
  /** What the user asked for: a hub name or a folder. */
  readonly name: string;
  /** Real path of the folder. */
  readonly folder: string;
  /** config.json, parsed but not interpreted. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** `__metadata__` of the safetensors header. */
  readonly metadata: Readonly<Record<string, string>>;
  /** What its user should know of how it was read, a sentence each. */
  readonly notes: readonly string[];
  /** What it lies on. @internal */
  readonly machine: Machine;
}

/** A float32 tensor in memory, to be written. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
