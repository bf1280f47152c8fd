import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A node that ONNX Runtime ran on the CPU in a session on another device. */
export interface CpuNode {
  readonly operator: string;
  /** Types and sizes of its results: `int64 [2,3]`. */
  readonly results: readonly string[];
  /** Elements of its results that are float32 or bool: what a device is there to compute. Integers are sizes and places. */
  readonly elements: number;
}

interface Event {
  readonly cat: string;
  readonly name: string;
  readonly args: {
    readonly op_name: string;
    readonly provider: string;
    readonly output_type_shape: readonly Readonly<Record<string, readonly number[]>>[];
  };
}

/** Nodes that ran, by the profile that a session wrote when it was released. @param prefix as the session was given it */
export async function nodesRun(prefix: string): Promise<{ readonly all: number; readonly onCpu: readonly CpuNode[] }> {
  const files = await readdir(dirname(prefix));
  const file = files.find((name) => name.startsWith(`${basename(prefix)}_`))!;
  const events = JSON.parse(await readFile(join(dirname(prefix), file), 'utf8')) as Event[];
  const nodes = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
  const onCpu = nodes.filter(({ args }) => args.provider === 'CPUExecutionProvider');
  return { all: nodes.length, onCpu: onCpu.map(({ args }) => cpuNode(args)) };
}

function cpuNode({ op_name: operator, output_type_shape }: Event['args']): CpuNode {
  const results = output_type_shape.flatMap((one) => Object.entries(one));
  const computed = results.filter(([type]) => type !== 'int64');
  return {
    operator,
    results: results.map(([type, shape]) => `${type} [${shape}]`),
    elements: computed.reduce((sum, [, shape]) => sum + shape.reduce((product, size) => product * size, 1), 0),
  };
}
