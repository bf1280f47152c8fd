import { fileRoutes } from './files.js';
import { formRoutes } from './form.js';
import { jobRoutes } from './jobs.js';
import type { BoardRoutes } from './route.js';
import { runRoutes } from './runs.js';
import { tryRoutes } from './trying.js';

/** Every path of a board: a file and a line here. */
export const boardRoutes: readonly BoardRoutes[] = [runRoutes, fileRoutes, jobRoutes, formRoutes, tryRoutes];
