import { loraPlan } from '../../src/adapters/methods/lora.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { gradientGraph } from '../../src/engine/gradientStep.js';
import { batchFeeds } from '../../src/engine/modelGraph.js';
import { parameterFeeds } from '../../src/engine/parameters.js';
import { openModel } from '../../src/models/registry.js';
import type { ComputeDevice } from '../../src/runtime/devices/computeDevice.js';
import { openSession, type SessionOptions } from '../../src/runtime/session.js';
import { type CpuNode, nodesRun } from '../nodesOnCpu.js';
import { objectives } from '../objectives.js';
import { type Oracle, oraclePath, parametersOf } from '../oracleFiles.js';
import { batchOf, type FamilyCase, familyCases } from './familyCases.js';

/** A step of training on a device beside the same on the CPU. */
export interface StepOnDevice {
  /** The largest difference, over the largest entry of that tensor on the CPU, and which tensor it is of. */
  readonly worst: { readonly name: string; readonly difference: number };
  readonly nodes: number;
  readonly onCpu: readonly CpuNode[];
}

/** A checkpoint a `model_type`: variants of one differ in what the CPU's oracle covers. */
export async function familiesOnce() {
  return (await familyCases()).filter(({ oracle }, i, all) => {
    const { modelType } = oracle.description;
    return all.findIndex((other) => other.oracle.description.modelType === modelType) === i;
  });
}

/** Loss and gradients of a family's first batch. @param profile begin of the name of a file for the nodes that ran */
export async function stepOnDevice(
  name: string,
  oracle: Oracle<FamilyCase>,
  device: ComputeDevice,
  profile: string,
): Promise<StepOnDevice> {
  const { tasks, adapter, lora } = oracle.description;
  const task = tasks[0]!;
  const model = openModel(await openCheckpoint(oraclePath(`families/${name}`)), {
    taskType: task.taskType,
    numLabels: task.numLabels,
    head: task.headPart ?? 'classifier',
  });
  const parameters = [adapter, task.head].flatMap((keys) => parametersOf(oracle.all(keys)));
  const plan = loraPlan(lora, { own: model.adaptable, shared: [] });
  const graph = { objective: objectives[task.kind], plan, parameters, wrt: parameters };
  const { outputs } = gradientGraph(model, graph);
  const feeds = { ...parameterFeeds(parameters), ...batchFeeds(batchOf(oracle, task.batches[0]!), true) };
  const run = async (options: SessionOptions) => {
    const session = await openSession(outputs, options);
    return session.run(feeds).finally(session.release);
  };
  const expected = await run({ threads: 1 });
  const found = await run({ threads: 1, device, profile });
  const differences = Object.entries(expected).map(([tensor, { data }]) => {
    const values = data as Float32Array;
    const scale = Math.max(1e-3, ...values.map(Math.abs));
    const largest = Math.max(...values.map((value, i) => Math.abs(value - Number(found[tensor]!.data[i]))));
    return { name: tensor, difference: largest / scale };
  });
  // What is not a number is the worst.
  const rank = ({ difference }: { difference: number }) =>
    Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  const worst = differences.toSorted((a, b) => rank(b) - rank(a))[0]!;
  const { all, onCpu } = await nodesRun(profile);
  return { worst, nodes: all, onCpu };
}
