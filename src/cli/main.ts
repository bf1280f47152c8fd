#!/usr/bin/env node
import { errorCode } from '../files/errors.js';
import { runProgram } from './program.js';
import { processTerminal } from './terminal.js';

// A reader that has gone away (`diffora inspect … | head -1`) is no failure of the work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (errorCode(error) !== 'EPIPE') throw error;
  });
}

process.exitCode = await runProgram(process.argv.slice(2), processTerminal());
