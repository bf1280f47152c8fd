import { ops, reapply } from '../ops.js';
import type { BoundaryAttrs } from '../primitives/boundary.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';

/**
 * Gradient checkpointing (arXiv 1604.06174, section 4): where a graph has boundaries, only these are kept from the
 * forward to the backward pass; what lies between two of them is computed anew when the backward pass arrives there.
 * Takes the boundaries out.
 *
 * A segment ends at a boundary. What reads its insides behind the gradient of that boundary reads copies instead, and
 * nothing else does, so no cycle can come about. The copies read the boundary before through `after`: they wait for
 * all that the segments behind still had to compute. Without that, the runtime would be free to compute them early, and
 * would find them equal to the originals and merge the two. Values that other segments read (masks, positions) are kept.
 */
export function recompute(outputs: readonly Tensor[]): Tensor[] {
  const order = nodesInOrder(outputs);
  const boundaries = order.filter((node) => boundaryOf(node)?.of === 'value');
  if (boundaries.length === 0) return [...outputs];
  const segments = segmentsOf(boundaries);
  const end = 1 + Math.max(...boundaries.map((node) => boundaryOf(node)!.index));
  const stages = stagesOf(order, end);
  const stageOf = (node: Node) => stages.get(node) ?? forward;
  const kept = readElsewhere(segments);
  const results = stageResults(order, outputs, stageOf);
  const reached = order.filter((node) => boundaryOf(node)?.of === 'gradient');
  const replaced = new Map<Tensor, Tensor>();
  const current = (tensor: Tensor) => replaced.get(tensor) ?? tensor;

  const copiers = new Map<number, (tensor: Tensor) => Tensor>();
  const copierOf = (stage: number) => {
    let copier = copiers.get(stage);
    if (copier === undefined) {
      copier = copierOfStage(stage);
      copiers.set(stage, copier);
    }
    return copier;
  };

  /** Copies of what the stage reads from the insides of its segment; other tensors as they are. */
  function copierOfStage(stage: number): (tensor: Tensor) => Tensor {
    const before = Math.min(...[...results.keys()].filter((other) => other > stage));
    const gradients = reached.filter((node) => boundaryOf(node)!.index === stage).map(({ inputs }) => inputs[0]!);
    const earlier = gradients.filter((tensor) => (stages.get(nodeOf(tensor)!) ?? forward) > stage);
    const done = ops.done([...new Set([...earlier, ...(results.get(before) ?? [])].map(current))]);
    const copies = new Map<Tensor, Tensor>();
    const copied = (tensor: Tensor): Tensor => {
      const node = nodeOf(tensor);
      if (node === undefined || kept.has(tensor) || stageOf(node) !== forward) return current(tensor);
      const segment = segments.get(node);
      if (segment !== undefined && segment !== stage) return current(tensor);
      if (!copies.has(tensor)) {
        for (const [i, result] of copyNode(node, segment !== undefined).entries()) {
          copies.set(node.outputs[i]!, result);
        }
      }
      return copies.get(tensor)!;
    };
    const waiting = new Map<Tensor, Tensor>();
    const wait = (tensor: Tensor) => {
      const known = waiting.get(tensor) ?? ops.after(tensor, done);
      waiting.set(tensor, known);
      return known;
    };
    /** Outside of the segment, derivatives have parts without a gradient: copied where they read a copy. */
    const copyNode = (node: Node, inside: boolean): readonly Tensor[] => {
      const originals = node.inputs.map(current);
      const inputs = node.inputs.map(copied);
      if (inputs.every((tensor, i) => tensor === originals[i])) {
        // The last operand is the smallest where that matters: `gather` and `window` read a large table at indices.
        const last = inputs.findLastIndex(({ origin: { kind } }) => kind === 'input' || kind === 'result');
        // What depends on weights of the file alone is the runtime's to fold.
        if (!inside || last < 0) return node.outputs.map(current);
        inputs[last] = wait(inputs[last]!);
      }
      return reapply(node, inputs);
    };
    return copied;
  }

  for (const node of order.toSorted((a, b) => stageOf(b) - stageOf(a))) {
    if (boundaryOf(node) !== undefined) {
      replaced.set(node.outputs[0]!, current(node.inputs[0]!));
      continue;
    }
    const stage = stageOf(node);
    const inputs = node.inputs.map(stage < end ? copierOf(stage) : current);
    if (inputs.every((tensor, i) => tensor === node.inputs[i])) continue;
    const rebuilt = reapply(node, inputs);
    for (const [i, output] of node.outputs.entries()) replaced.set(output, rebuilt[i]!);
  }
  return outputs.map(current);
}

/** Stage of what does not depend on the last boundary: the forward pass up to there, and parts of derivatives. */
const forward = Number.MAX_SAFE_INTEGER;

function boundaryOf(node: Node): BoundaryAttrs | undefined {
  return node.primitive === 'boundary' ? node.attrs : undefined;
}

/** The boundary that each node of the forward pass leads to first. */
function segmentsOf(boundaries: readonly Node[]): Map<Node, number> {
  const segments = new Map<Node, number>();
  for (const boundary of boundaries.toSorted((a, b) => boundaryOf(a)!.index - boundaryOf(b)!.index)) {
    for (const node of nodesInOrder(boundary.outputs)) {
      if (!segments.has(node)) segments.set(node, boundaryOf(boundary)!.index);
    }
  }
  return segments;
}

/**
 * The stages of a step after the last boundary, last one first: `end` is the end of the forward pass and the start of
 * the backward pass, `i` what comes when the gradient has reached boundary i. A stage reads higher ones only.
 */
function stagesOf(order: readonly Node[], end: number): Map<Node, number> {
  const stages = new Map<Node, number>();
  for (const node of order) {
    const mark = boundaryOf(node);
    let stage = Math.min(forward, ...node.inputs.map((tensor) => stages.get(nodeOf(tensor)!) ?? forward));
    if (mark?.of === 'gradient') stage = Math.min(stage, mark.index);
    if (mark?.of === 'value' && mark.index === end - 1) stage = Math.min(stage, end);
    stages.set(node, stage);
  }
  return stages;
}

/** Boundaries, and whatever one segment has that another one reads. */
function readElsewhere(segments: ReadonlyMap<Node, number>): Set<Tensor> {
  const kept = new Set<Tensor>();
  for (const [node, segment] of segments) {
    for (const tensor of [...node.inputs, ...(boundaryOf(node) === undefined ? [] : node.outputs)]) {
      const origin = nodeOf(tensor);
      const leaves = boundaryOf(node) !== undefined || (origin !== undefined && segments.get(origin) !== segment);
      if (leaves) kept.add(tensor);
    }
  }
  return kept;
}

/** What each stage computes for later ones or for the outside. */
function stageResults(order: readonly Node[], outputs: readonly Tensor[], stageOf: (node: Node) => number) {
  const results = new Map<number, Set<Tensor>>();
  const leave = (tensor: Tensor, to: number) => {
    const node = nodeOf(tensor);
    if (node === undefined || stageOf(node) === forward || stageOf(node) <= to) return;
    const known = results.get(stageOf(node));
    if (known === undefined) results.set(stageOf(node), new Set([tensor]));
    else known.add(tensor);
  };
  for (const node of order) for (const tensor of node.inputs) leave(tensor, stageOf(node));
  for (const output of outputs) leave(output, -1);
  return new Map([...results].map(([stage, tensors]) => [stage, [...tensors]]));
}
