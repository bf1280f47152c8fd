import type { FastifyInstance } from 'fastify';
import type { Jobs } from '../jobs.js';
import type { Library } from '../library.js';
import type { Root } from '../roots.js';
import type { EventStreams } from '../streams.js';
import type { TryModels } from '../tryModels.js';

/** What the routes of a board work with. */
export interface BoardContext {
  readonly roots: readonly Root[];
  readonly library: Library;
  readonly streams: EventStreams;
  readonly jobs: Jobs;
  readonly tryModels: TryModels;
  readonly isReadOnly: boolean;
}

/** Adds some paths to a board. */
export type BoardRoutes = (app: FastifyInstance, context: BoardContext) => void;
