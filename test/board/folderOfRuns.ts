import { mkdir, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { RunningBoard } from '../../src/board/board.js';
import type { RunView } from '../../src/board/view.js';
import { reviewsFolder } from '../cli/run.js';
import { read } from './call.js';

type Open = Pick<RunningBoard, 'port' | 'token'> & { close(): Promise<void> };

/** What each test of a file begins with: an empty folder of runs beside a task of reviews, and a board of it. */
export interface FolderOfRuns<Board> {
  /** May be put in the place of one that was closed. */
  board: Board;
  /** The table of reviews. */
  readonly task: string;
  /** A path beside the folder of runs. */
  beside(...path: string[]): string;
  /** A path in it. */
  runs(...path: string[]): string;
  /** What the board shows. */
  table(): Promise<RunView[]>;
  run(name: string): Promise<RunView | undefined>;
}

/** @param open opens a board of a folder, in which it may put something first */
export function folderOfRuns<Board extends Open>(
  open: (runs: (...path: string[]) => string, task: string) => Promise<Board>,
): FolderOfRuns<Board> {
  let made: Awaited<ReturnType<typeof reviewsFolder>>;
  const runs = (...path: string[]) => made.folder.path('runs', ...path);
  const folder = {
    board: undefined as unknown as Board,
    get task() {
      return made.task;
    },
    beside: (...path: string[]) => made.folder.path(...path),
    runs,
    table: async (): Promise<RunView[]> => (await read(folder.board, '/api/board')).runs,
    run: async (name: string) => (await folder.table()).find((one) => one.name === name),
  };
  beforeAll(async () => {
    made = await reviewsFolder();
  });
  afterAll(() => made.folder.remove());
  beforeEach(async () => {
    await mkdir(runs(), { recursive: true });
    folder.board = await open(runs, made.task);
  });
  afterEach(async () => {
    await folder.board.close();
    await rm(runs(), { recursive: true, force: true });
  });
  return folder;
}
