/** What a network costs, and sums on a machine. Seconds. */
export interface Network {
  /** Of a message, whatever its size. */
  readonly latency: number;
  /** Of a byte that a rank sends. */
  readonly perByte: number;
}

/** What a rank takes for a number of float32 beside the network: it is laid into a buffer, summed and laid back. */
export interface Machine {
  readonly perNumber: number;
}

/** Bytes from which on UCX asks for a message before it sends it, and has it acknowledged: four or five messages in the place of one. */
const askedFor = 16_384;

/**
 * A sum: every rank sends a part to every other, all at once, and then the sums go round in a ring. The latencies of large parts
 * are as measured with delays of 10 and 20 ms; small ones wait once in each round.
 */
export function sumSeconds(numbers: number, ranks: number, network: Network, machine: Machine, width = 4): number {
  if (ranks === 1) return 0;
  const others = ranks - 1;
  const bytes = (2 * width * numbers * others) / ranks;
  const waits = (width * numbers) / ranks < askedFor ? ranks : 4 * ranks + 1;
  return waits * network.latency + bytes * network.perByte + numbers * machine.perNumber;
}

/** What two small gathers take: of the loss, and of whether to stop. Libraries gather them in a tree. */
export function smallSeconds(ranks: number, { latency }: Network): number {
  return ranks === 1 ? 0 : 2 * Math.ceil(Math.log2(ranks)) * latency;
}

/** What is trained, and how long one rank computes. */
export interface Work {
  readonly name: string;
  /** Numbers that are trained. */
  readonly trained: number;
  /** Forward and backward of one example. */
  readonly perExample: number;
  /** What a step takes whatever its batch: starting the graph, clipping, AdamW. */
  readonly perStep: number;
}

/** A step on so many ranks. */
export function stepSeconds(
  { trained, perExample, perStep }: Omit<Work, 'name'>,
  batch: number,
  ranks: number,
  network: Network,
  machine: Machine,
): number {
  const own = Math.ceil(batch / ranks);
  return perStep + own * perExample + sumSeconds(trained, ranks, network, machine) + smallSeconds(ranks, network);
}

/** The most ranks, of powers of two, that still make a step a tenth shorter than half as many. */
export function paysUpTo(work: Omit<Work, 'name'>, batch: number, network: Network, machine: Machine): number {
  let ranks = 1;
  while (
    ranks < batch &&
    stepSeconds(work, batch, 2 * ranks, network, machine) < 0.9 * stepSeconds(work, batch, ranks, network, machine)
  ) {
    ranks *= 2;
  }
  return ranks;
}
