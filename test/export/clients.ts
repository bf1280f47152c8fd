import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Folder with a folder for each program that exported models are for, npm's packages in it: `DIFFORA_CLIENTS`. They are no
 * dependency of the project (together they are 560 MB): `.ci/run` fetches them, and tests are skipped where they are not.
 */
const clients = process.env.DIFFORA_CLIENTS;

/** Packages by the folder that they lie in. */
const packages = { 'transformers.js': '@huggingface/transformers', 'llama.cpp': 'node-llama-cpp' } as const;
export type ClientName = keyof typeof packages;

/** Where a client's package lies; undefined where it does not. */
export function clientFolder(name: ClientName): string | undefined {
  const path = clients === undefined ? undefined : join(clients, name, 'node_modules', packages[name]);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** The part of transformers.js that the tests use. */
export interface TransformersJs {
  readonly env: { allowRemoteModels: boolean; localModelPath: string };
  pipeline(task: string, folder: string, options: { readonly dtype: string }): Promise<Pipeline>;
}

export interface Pipeline {
  (...inputs: readonly unknown[]): Promise<unknown>;
  tokenizer(texts: readonly string[], options: object): Readonly<Record<string, unknown>>;
  model(inputs: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, ClientTensor>>>;
  dispose(): Promise<void>;
}

export interface ClientTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** transformers.js, reading folders of this machine alone. */
export async function transformersJs(): Promise<TransformersJs> {
  const entry = join(clientFolder('transformers.js')!, 'dist/transformers.node.mjs');
  const library = (await import(pathToFileURL(entry).href)) as TransformersJs;
  library.env.allowRemoteModels = false;
  library.env.localModelPath = '/';
  return library;
}
