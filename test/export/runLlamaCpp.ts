import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientFolder } from './clients.js';

const library = clientFolder('llama.cpp');
export const hasLlamaCpp = library !== undefined;

export interface LlamaJob {
  readonly model: string;
  readonly lora?: string;
  readonly prompts?: readonly string[];
  /** Find the texts of special tokens in prompts. */
  readonly special?: boolean;
  /** Tokens to continue each prompt by; 0 to see its ids alone. */
  readonly count?: number;
  /** Ids after each of which the probabilities of the next token are asked for. */
  readonly rows?: readonly (readonly number[])[];
}

export interface LlamaResult {
  readonly texts: readonly { readonly ids: number[]; readonly tokens: number[] }[];
  /** [row][position][token] */
  readonly probabilities: readonly number[][][];
  /** Length of the context that the model was made for. */
  readonly context: number;
}

/** Runs files in llama.cpp, a process for all. */
export async function runLlamaCpp(jobs: readonly LlamaJob[]): Promise<LlamaResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'diffora-llama-'));
  try {
    const output = join(folder, 'results.json');
    const stdio = ['pipe', 'ignore', 'pipe'] as const;
    const child = spawn(process.execPath, [join(import.meta.dirname, 'llamaCpp.mjs')], { stdio: [...stdio] });
    const said: string[] = [];
    child.stderr!.on('data', (part) => said.push(String(part)));
    child.stdin!.end(JSON.stringify({ library, output, jobs }));
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`llama.cpp ended with ${code}: ${said.join('')}`);
    return JSON.parse(await readFile(output, 'utf8'));
  } finally {
    await rm(folder, { recursive: true });
  }
}
