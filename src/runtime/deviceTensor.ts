/** Numbers as JavaScript holds them. */
export type TensorData = Float32Array | BigInt64Array;

/** Where tensors are kept. Whoever needs a tensor beside another asks that one's device for it. */
export interface Device {
  readonly name: string;
  /** A float32 tensor of zeros. */
  zeros(shape: readonly number[]): DeviceTensor<Float32Array>;
  /** A tensor of these numbers, row-major; the host keeps the array itself. @throws Error where `shape` has not as many */
  tensor<Data extends TensorData>(data: Data, shape: readonly number[]): DeviceTensor<Data>;
}

/** Numbers that live on a device from one run of a session to the next: parameters, moments, gradients, caches. */
export interface DeviceTensor<Data extends TensorData = TensorData> {
  readonly device: Device;
  readonly dtype: 'float32' | 'int64';
  readonly shape: readonly number[];
  /** Replaces all numbers. @throws Error where there are not as many */
  write(values: Data): void;
  /** The numbers as they are now: on the host the array itself, elsewhere a copy. */
  read(): Promise<Data>;
  /**
   * The numbers in place, for arithmetic in JavaScript.
   * @throws Error for a tensor that is not on the host
   */
  host(): Data;
  /** Gives the device's memory back; that of the host is the garbage collector's. */
  dispose(): void;
}

/** A tensor in the memory of JavaScript, which ONNX Runtime reads and writes in place. */
export interface HostTensor<Data extends TensorData = TensorData> extends DeviceTensor<Data> {
  readonly data: Data;
}

/** The memory of this process. */
export const host = {
  name: 'host',
  zeros: (shape: readonly number[]): HostTensor<Float32Array> =>
    new HostArray(new Float32Array(elementCount(shape)), shape),
  tensor<Data extends TensorData>(data: Data, shape: readonly number[]): HostTensor<Data> {
    if (data.length !== elementCount(shape)) {
      throw new Error(`a tensor of shape [${shape}] has ${elementCount(shape)} numbers, not ${data.length}`);
    }
    return new HostArray(data, shape);
  },
} as const satisfies Device;

/** Zeros of the shape of a tensor, beside it. */
export function zerosLike({ device, shape }: DeviceTensor): DeviceTensor<Float32Array> {
  return device.zeros(shape);
}

/**
 * What a run left on its device. It can be fed to further runs there, and be brought back by one whose output it is.
 * @param dispose gives the memory back
 */
export function keptTensor(
  deviceName: string,
  shape: readonly number[],
  dispose: () => void,
): DeviceTensor<Float32Array> {
  const refuse = (): never => {
    throw new Error(`a tensor that a run left on ${deviceName} is read and written by runs alone`);
  };
  const device: Device = { name: deviceName, zeros: refuse, tensor: refuse };
  return { device, dtype: 'float32', shape, write: refuse, read: refuse, host: refuse, dispose };
}

class HostArray<Data extends TensorData> implements HostTensor<Data> {
  constructor(
    readonly data: Data,
    readonly shape: readonly number[],
  ) {}

  get device(): Device {
    return host;
  }

  get dtype(): 'float32' | 'int64' {
    return this.data instanceof Float32Array ? 'float32' : 'int64';
  }

  write(values: Data): void {
    if (values.length !== this.data.length) {
      throw new Error(`a tensor of shape [${this.shape}] was given ${values.length} numbers`);
    }
    bytesOf(this.data).set(bytesOf(values));
  }

  async read(): Promise<Data> {
    return this.data;
  }

  host(): Data {
    return this.data;
  }

  dispose(): void {}
}

const bytesOf = ({ buffer, byteOffset, byteLength }: TensorData) => new Uint8Array(buffer, byteOffset, byteLength);

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
