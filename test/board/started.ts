import type { RunningBoard } from '../../src/board/board.js';
import { startDiffora } from '../cli/started.js';

export interface StartedBoard extends Pick<RunningBoard, 'url' | 'port' | 'token'> {
  readonly pid: number;
  close(signal?: NodeJS.Signals): Promise<void>;
}

/** A board as the command line starts it, a process of its own: its runs and previews are of the compiled package, too. */
export async function startBoard(...args: readonly string[]): Promise<StartedBoard> {
  const { child, ended, said, says } = startDiffora('board', ...args);
  await says('is open at');
  const [, url, port, token] = /(http:\/\/127\.0\.0\.1:(\d+)\/\?token=([\w-]+))/.exec(said.stderr)!;
  const close = async (signal: NodeJS.Signals = 'SIGINT') => {
    child.kill(signal);
    await ended;
  };
  return { url: url!, port: Number(port), token: token!, pid: child.pid!, close };
}
