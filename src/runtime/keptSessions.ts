import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { emitGraph, type Tensor } from '../graph/index.js';
import { releaseAll } from './release.js';
import { compileGraph, type Session, type SessionOptions } from './session.js';

/** Released sessions that may be wanted again, by the graph that they were compiled from. */
type Idle = Map<string, Session[]>;

const scope = new AsyncLocalStorage<Idle>();

/**
 * Runs `work`, in which {@link openKeptSession} compiles a graph once however often it is opened and released: the
 * evaluations of a training do so. Whatever is idle is freed when `work` has ended. Works side by side, each called
 * through this, share nothing.
 */
export async function keepingSessions<T>(work: () => Promise<T>): Promise<T> {
  const idle: Idle = new Map();
  try {
    return await scope.run(idle, work);
  } finally {
    await releaseAll([...idle.values()].flat());
    idle.clear();
  }
}

/** As openSession; within {@link keepingSessions} a session of the same graph that has been released is taken up again. */
export async function openKeptSession(
  outputs: Readonly<Record<string, Tensor>>,
  options: SessionOptions,
): Promise<Session> {
  const graph = emitGraph(outputs);
  const idle = scope.getStore();
  if (idle === undefined) return compileGraph(graph, options);
  const hash = createHash('sha256').update(graph.bytes).digest('hex');
  const key = `${hash} ${options.threads} ${graph.weightsFolder}`;
  const waiting = idle.get(key) ?? [];
  idle.set(key, waiting);
  const session = waiting.pop() ?? (await compileGraph(graph, options));
  return {
    ...session,
    release: async () => {
      waiting.push(session);
    },
  };
}
