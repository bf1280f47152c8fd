import type { EmittedGraph } from '../../graph/index.js';
import type { Dialect } from '../../graph/onnx/dialect.js';
import type { CompileOptions, Session } from '../compiled.js';

/** What products of matrices are computed in: float32 throughout, TF32 (float32 with ten bits of mantissa), or 16 bits. */
export type Precision = 'fp32' | 'tf32' | 'bf16' | 'fp16';
export const precisions = ['fp32', 'tf32', 'bf16', 'fp16'] as const satisfies readonly Precision[];

/** What runs graphs, as `--device` names it. Weights, batches and results come from and go to the memory of this process. */
export interface ComputeDevice {
  /** `cpu`, `cuda`, `cuda:1`, `webgpu`. */
  readonly name: string;
  /** What products are computed in, where nothing else is asked. */
  readonly precision: Precision;
  /** Others that it has, each with what makes it so in this process, before the device is opened. @internal */
  readonly otherPrecisions: Readonly<Partial<Record<Precision, () => void>>>;
  /** What graphs are written in for it: operators that it has no kernel for would fall to the CPU, with a copy both ways. @internal */
  readonly dialect: Dialect;
  /** Results of a run can stay there and be fed to the next: `CompileOptions.onDevice`. @internal */
  readonly keepsResults?: boolean | undefined;
  /** Compiles a graph that is written in {@link dialect}. @internal */
  compile(graph: EmittedGraph, options: CompileOptions): Promise<Session>;
  /** What of it is not installed, where that can be told without loading it, which would write to stderr. @internal */
  lacks?(): string | undefined;
  /** What to do where ONNX Runtime finds no such device, as sentences. @internal */
  readonly cure: string;
}
