import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Folder whose node_modules has the programs that exported models are for: `DIFFORA_CLIENTS`. They are no dependency of
 * the project (transformers.js brings 160 MB): `.ci/interop` fetches them, and tests are skipped where they are not.
 */
const clients = process.env.DIFFORA_CLIENTS;

/** True where a client is there. */
export function hasClient(name: string): boolean {
  return clients !== undefined && existsSync(join(clients, 'node_modules', name));
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
  const entry = join(clients!, 'node_modules/@huggingface/transformers/dist/transformers.node.mjs');
  const library = (await import(pathToFileURL(entry).href)) as TransformersJs;
  library.env.allowRemoteModels = false;
  library.env.localModelPath = '/';
  return library;
}
