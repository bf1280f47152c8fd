import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders } from '../files/atomic.js';
import { fileError } from '../files/errors.js';
import { inOrder, type LogTarget } from './log.js';

/** A table that any program reads while the run goes on: tag, step, value. */
export const csv: LogTarget = {
  title: 'CSV (scalars.csv)',
  isFile: true,
  async open({ folder, isResumed = false, warn }) {
    const path = join(folder, 'scalars.csv');
    try {
      await makeFolders(folder);
      const file = await open(path, isResumed ? 'a' : 'w');
      const queue = inOrder(path, warn);
      const write = (text: string) => queue.add(() => file.appendFile(text));
      if ((await file.stat()).size === 0) write('tag,step,value\n');
      return {
        scalars: (values, step) => {
          write(
            Object.entries(values)
              .map(([tag, value]) => `${tag},${step},${value}\n`)
              .join(''),
          );
        },
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
