import { type FileHandle, open } from 'node:fs/promises';

/** Bytes that are read at a time. */
const chunk = 1 << 18;
/** A line that is longer is none of ours. */
const longest = 1 << 22;

/** A file of lines that grows: each call reads what is new. Holds the file open, so that its end is read even if it is deleted. */
export class Tail {
  private position = 0;
  private rest: Buffer = Buffer.alloc(0);

  /** @param inode of the file */
  constructor(
    private readonly file: FileHandle,
    private readonly inode: bigint,
  ) {}

  /** True for the file that now lies at a path. @param ino of that file */
  is(ino: bigint): boolean {
    return ino === this.inode;
  }

  /** Gives each new line that is whole. @returns false where the file has become shorter and is to be opened anew */
  async read(line: (text: string) => void): Promise<boolean> {
    const { size } = await this.file.stat();
    if (size < this.position) return false;
    while (this.position < size) {
      const buffer = Buffer.allocUnsafe(Math.min(chunk, size - this.position));
      const { bytesRead } = await this.file.read(buffer, 0, buffer.length, this.position);
      if (bytesRead === 0) break;
      this.position += bytesRead;
      const all =
        this.rest.length === 0
          ? buffer.subarray(0, bytesRead)
          : Buffer.concat([this.rest, buffer.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, start)) {
        line(all.toString('utf8', start, end));
        start = end + 1;
      }
      this.rest = Buffer.from(all.subarray(start));
      if (this.rest.length > longest) this.rest = Buffer.alloc(0);
    }
    return true;
  }

  async close(): Promise<void> {
    await this.file.close().catch(() => undefined);
  }
}

export async function openTail(path: string): Promise<Tail> {
  const file = await open(path, 'r');
  return new Tail(file, (await file.stat({ bigint: true })).ino);
}
