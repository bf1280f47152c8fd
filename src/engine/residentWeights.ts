import { input, ops, type Tensor } from '../graph/index.js';
import type { ComputeDevice } from '../runtime/devices/computeDevice.js';
import type { DeviceTensor } from '../runtime/deviceTensor.js';
import { openOn } from '../runtime/openOn.js';
import { openTogether, releaseAll } from '../runtime/release.js';
import type { Bindings } from '../runtime/session.js';
import type { Optimizer } from './adamw.js';
import type { AdamWTerms } from './adamwLoop.js';
import type { Parameter } from './parameters.js';

/** Parameters that stay on a device between steps, with their moments, and are moved there. */
export interface ResidentWeights {
  /** Their values as they are, for graphs that read them. */
  values(): Bindings;
  /**
   * Moves them by what the optimiser's last step says.
   * @param gradients by name; disposed of
   */
  move(gradients: ReadonlyMap<string, DeviceTensor<Float32Array>>): Promise<void>;
  /** Copies values and moments into the arrays of the host, where these are older. */
  settle(): Promise<void>;
  /** Frees the memory; what was not settled is lost. */
  release(): Promise<void>;
}

/** What is kept of a parameter. */
const kinds = ['values', 'first', 'second'] as const;
type Kind = (typeof kinds)[number];

const nameOf = (kind: Kind, { name }: Parameter) => `${kind} of ${name}`;
const newName = (kind: Kind, one: Parameter) => `new ${nameOf(kind, one)}`;

/**
 * AdamW as a graph, for a device that keeps results. They go there with the first step and come back when they are asked for.
 * Sums are float32, where `plainLoop` has float64.
 * @param parameters each with its place in the optimiser, whose arrays of moments are those of the host
 */
export async function openResidentWeights(
  device: ComputeDevice,
  parameters: readonly { readonly parameter: Parameter; readonly index: number }[],
  optimizer: Optimizer,
  threads: number,
): Promise<ResidentWeights> {
  const all = parameters.map(({ parameter }) => parameter);
  const entries = parameters.flatMap(({ parameter, index }) => {
    const { first, second } = optimizer.momentsOf(index);
    const arrays = { values: parameter.values, first, second };
    return kinds.map((kind) => ({ kind, parameter, name: nameOf(kind, parameter), array: arrays[kind] }));
  });
  const moved = movedBy(all);
  const { update, fetch } = await openTogether(async (keep) => ({
    update: await keep(openOn(device, moved, { threads, onDevice: Object.keys(moved) })),
    fetch: await keep(openOn(device, fetched(all), { threads })),
  }));
  /** Empty where the host's arrays are the ones that hold. */
  let held = new Map<string, DeviceTensor<Float32Array>>();
  let isSettled = true;
  const ofHost = (): Bindings =>
    Object.fromEntries(entries.map(({ name, array, parameter: { shape } }) => [name, { data: array, shape }]));
  return {
    values: () =>
      held.size === 0
        ? {}
        : Object.fromEntries(all.map((one) => [one.name, held.get(nameOf('values', one))!] as const)),
    async move(gradients) {
      const fed: Bindings = {
        ...(held.size === 0 ? ofHost() : Object.fromEntries(held)),
        ...Object.fromEntries([...gradients].map(([name, tensor]) => [`gradient of ${name}`, tensor])),
        ...Object.assign(
          {},
          ...parameters.map(({ parameter, index }) => factorFeeds(parameter, optimizer.termsOf(index))),
        ),
      };
      await update.run(fed);
      for (const old of [...held.values(), ...gradients.values()]) old.dispose();
      held = new Map(entries.map(({ kind, parameter, name }) => [name, update.kept!.get(newName(kind, parameter))!]));
      isSettled = false;
    },
    async settle() {
      if (isSettled) return;
      const into = Object.fromEntries(
        entries.map(({ kind, parameter, array }) => [
          newName(kind, parameter),
          { data: array, shape: parameter.shape },
        ]),
      );
      await fetch.run(Object.fromEntries(held), into);
      isSettled = true;
    },
    release() {
      for (const old of held.values()) old.dispose();
      held = new Map();
      return releaseAll([update, fetch]);
    },
  };
}

/** What a step multiplies by, of which a number is fed for each group of parameters that share it. */
const factors = ['keepFirst', 'takeFirst', 'keepSecond', 'takeSecond', 'rate', 'floor', 'keep'] as const;
type Factors = Readonly<Record<(typeof factors)[number], number>>;

/**
 * `plainLoop` with the corrections and the clipping's factor drawn together:
 * value · keep − rate · first / (√second + floor), first · β₁ + gradient · (1 − β₁) · factor, and second likewise.
 */
function factorsOf({ beta1, beta2, epsilon, stepSize, secondCorrection, keep, factor }: AdamWTerms): Factors {
  return {
    keepFirst: beta1,
    takeFirst: (1 - beta1) * factor,
    keepSecond: beta2,
    takeSecond: (1 - beta2) * factor * factor,
    rate: stepSize / secondCorrection,
    floor: epsilon / secondCorrection,
    keep,
  };
}

/** Parameters of one group have a rate and a decay in common. */
const groupOf = ({ rateFactor = 1, decays, weightDecay }: Parameter) =>
  `rate ${rateFactor}, decay ${decays ? (weightDecay ?? 'usual') : 'none'}`;
const factorName = (name: keyof Factors, one: Parameter) => `${name} of ${groupOf(one)}`;

function factorFeeds(one: Parameter, terms: AdamWTerms): Bindings {
  const numbers = factorsOf(terms);
  return Object.fromEntries(
    factors.map((name) => [factorName(name, one), { data: Float32Array.of(numbers[name]), shape: [1] }]),
  );
}

function movedBy(parameters: readonly Parameter[]): Record<string, Tensor> {
  const inputs = new Map<string, Tensor>();
  const scalar = (name: keyof Factors, one: Parameter) => {
    const known = inputs.get(factorName(name, one)) ?? input(factorName(name, one), 'float32', [1]);
    inputs.set(factorName(name, one), known);
    return known;
  };
  return Object.fromEntries(
    parameters.flatMap((one) => {
      const by = (x: Tensor, name: keyof Factors) => ops.mul(x, scalar(name, one));
      const [values, first, second] = kinds.map((kind) => input(nameOf(kind, one), 'float32', one.shape));
      const gradient = input(`gradient of ${one.name}`, 'float32', one.shape);
      const mean = ops.add(by(first!, 'keepFirst'), by(gradient, 'takeFirst'));
      const square = ops.add(by(second!, 'keepSecond'), by(ops.mul(gradient, gradient), 'takeSecond'));
      const step = ops.div(by(mean, 'rate'), ops.add(ops.sqrt(square), scalar('floor', one)));
      const kept = one.decays ? by(values!, 'keep') : values!;
      return [
        [newName('values', one), ops.sub(kept, step)],
        [newName('first', one), mean],
        [newName('second', one), square],
      ];
    }),
  );
}

/** The same numbers under other names: what a device keeps comes back as an output of a run. */
function fetched(parameters: readonly Parameter[]): Record<string, Tensor> {
  return Object.fromEntries(
    parameters.flatMap((one) =>
      kinds.map((kind) => [newName(kind, one), input(nameOf(kind, one), 'float32', one.shape)]),
    ),
  );
}
