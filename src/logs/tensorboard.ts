import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { PbfWriter } from 'pbf';
import { makeFolders } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { crc32c } from './crc32c.js';
import { inOrder, type LogTarget } from './log.js';

/** TensorBoard's event files: TFRecords of Event messages (tensorflow/core/util/event.proto, lib/io/record_writer.h). */
export const tensorboard: LogTarget = {
  title: 'TensorBoard event files',
  isFile: true,
  async open({ folder, warn }) {
    const now = () => Date.now() / 1000;
    const path = join(folder, `events.out.tfevents.${Math.floor(now())}.${hostname()}.${process.pid}`);
    try {
      await makeFolders(folder);
      const file = await open(path, 'a');
      const queue = inOrder(path, warn);
      const write = (event: Uint8Array) => queue.add(async () => void (await file.appendFile(record(event))));
      write(encodeEvent({ wallTime: now(), fileVersion: 'brain.Event:2' }));
      return {
        scalars: (scalars, step) => write(encodeEvent({ wallTime: now(), step, scalars })),
        end: async () => {
          await queue.done();
          await file.close();
        },
      };
    } catch (error) {
      throw fileError(error, path, 'write');
    }
  },
};

interface Event {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step?: number;
  readonly fileVersion?: string;
  readonly scalars?: Readonly<Record<string, number>>;
}

function encodeEvent({ wallTime, step, fileVersion, scalars = {} }: Event): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeDoubleField(1, wallTime);
  if (step !== undefined) pbf.writeVarintField(2, step);
  if (fileVersion !== undefined) pbf.writeStringField(3, fileVersion);
  const values = Object.entries(scalars);
  if (values.length > 0) pbf.writeMessage(5, writeSummary, values);
  return pbf.finish();
}

function writeSummary(values: readonly (readonly [tag: string, value: number])[], pbf: PbfWriter): void {
  for (const value of values) pbf.writeMessage(1, writeValue, value);
}

function writeValue([tag, value]: readonly [string, number], pbf: PbfWriter): void {
  pbf.writeStringField(1, tag);
  pbf.writeFloatField(2, value);
}

/** Length, its checksum, data, their checksum; all little-endian. */
function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return bytes;
}

/** TFRecord's mask, so that a checksum of data with checksums in them is no trouble (lib/hash/crc32c.h). */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
