import type * as ort from 'onnxruntime-node';
import { DiffoError } from '../errors.js';

/** How ONNX Runtime runs a graph of ours, in Node and in a browser alike. */
export function sessionOptions(
  provider: ort.InferenceSession.ExecutionProviderConfig,
  threads: number,
): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // One planned block for each batch shape met would be kept: 640 MB against 400 MB for MiniLM, at the same speed.
    enableMemPattern: false,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
  };
}

/** Packed copies of weights would stand beside the weights. */
export const sessionEntries: Readonly<Record<string, string>> = { disable_prepacking: '1' };

/** Waits for a session. @throws DiffoError where ONNX Runtime refuses it */
export async function accepted<Opened>(opening: Promise<Opened>, what = 'the graph'): Promise<Opened> {
  return opening.catch((error: unknown) => {
    throw new DiffoError(`ONNX Runtime refused ${what}: ${messageOf(error)}`, { cause: error });
  });
}

/** Waits for the results of a run. @throws DiffoError where it fails */
export async function finished<Results>(running: Promise<Results>): Promise<Results> {
  return running.catch((error: unknown) => {
    throw new DiffoError(`ONNX Runtime failed in a step: ${messageOf(error)}`, { cause: error });
  });
}

/** What is fed by the names of the inputs. @throws Error where one is missing */
export function fedBy<Given, Fed>(
  inputNames: readonly string[],
  feeds: Readonly<Record<string, Given>>,
  fedAs: (value: Given) => Fed,
): Record<string, Fed> {
  const fed: Record<string, Fed> = {};
  for (const name of inputNames) {
    const value = feeds[name];
    if (value === undefined) throw new Error(`the graph needs the input "${name}"`);
    fed[name] = fedAs(value);
  }
  return fed;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
