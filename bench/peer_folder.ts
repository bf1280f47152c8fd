import { openCheckpoint } from '../src/checkpoint/open.js';

/** Prints the folder that a GGUF file is converted into (`peer_folder.ts FILE`), once for however many runs. */
const [file] = process.argv.slice(2) as [string];
console.log((await openCheckpoint(file)).folder);
