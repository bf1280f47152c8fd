#!/usr/bin/env node
import { errorCode } from '../files/errors.js';
import { launchOf } from '../mpi/launch.js';
import { runProgram } from './program.js';
import { processTerminal } from './terminal.js';

// A reader that has gone away (`diffora inspect … | head -1`) is no failure of the work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (errorCode(error) !== 'EPIPE') throw error;
  });
}

const args = process.argv.slice(2);
const launch = launchOf(process.env);
// Loaded late: without mpirun nothing of MPI is.
const run = launch === undefined ? undefined : (await import('./ranked.js')).runRanked;
process.exitCode = run === undefined ? await runProgram(args, processTerminal()) : await run(args, launch!);
