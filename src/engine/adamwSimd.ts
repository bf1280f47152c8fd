import type { AdamWLoop } from './adamwLoop.js';

/** What of the WebAssembly interface is used: the compiler's library of Node has no types of it. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** Numbers that are moved in one call: gradients and values are copied in and out, and stay in the first cache meanwhile. */
const chunk = 4096;
const pageBytes = 65_536;
/** Between the arrays: copies from one address to the same address of another page are slow on some processors. */
const gap = 512;

/**
 * AdamW's loop in WebAssembly, two numbers at a time in float64, in the order in which `plainLoop` computes: the same bits in
 * half of the time. The moments lie in the memory of the module.
 * @param lengths of the parameters
 * @returns undefined where there is no such memory, or no vector instructions
 */
export function simdLoop(lengths: readonly number[]): AdamWLoop | undefined {
  const padded = lengths.map((length) => Math.ceil(length / 4) * 4);
  const moments = padded.reduce((sum, length) => sum + length, 0);
  const gradientAt = gap;
  const valuesAt = gradientAt + 4 * chunk + gap;
  const firstAt = valuesAt + 4 * chunk + gap;
  const secondAt = firstAt + 4 * moments;
  let memory: { readonly buffer: ArrayBuffer };
  let move: (...numbers: readonly number[]) => void;
  try {
    memory = new WebAssembly.Memory({ initial: Math.ceil((secondAt + 4 * moments) / pageBytes) });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), { from: { memory } });
    move = exports.move as typeof move;
  } catch {
    return undefined;
  }
  const { buffer } = memory;
  const starts = padded.map((_, i) => 4 * padded.slice(0, i).reduce((sum, length) => sum + length, 0));
  const arrays = (at: number) => lengths.map((length, i) => new Float32Array(buffer, at + starts[i]!, length));
  const gradientPart = new Float32Array(buffer, gradientAt, chunk);
  const valuesPart = new Float32Array(buffer, valuesAt, chunk);
  return {
    first: arrays(firstAt),
    second: arrays(secondAt),
    move(index, values, gradient, terms) {
      const { beta1, beta2, stepSize, secondCorrection, epsilon, keep, factor } = terms;
      for (let start = 0; start < values.length; start += chunk) {
        const end = Math.min(start + chunk, values.length);
        const part = values.subarray(start, end);
        gradientPart.set(gradient.subarray(start, end));
        valuesPart.set(part);
        const at = starts[index]! + 4 * start;
        const bytes = 16 * Math.ceil(part.length / 4);
        const places = [gradientAt, firstAt + at, secondAt + at, valuesAt];
        move(bytes, ...places, beta1, 1 - beta1, beta2, 1 - beta2, stepSize, secondCorrection, epsilon, keep, factor);
        part.set(part.length === chunk ? valuesPart : valuesPart.subarray(0, part.length));
      }
    },
  };
}

/** Parameters of the function by their number, then its local variables. */
const locals = {
  bytes: 0,
  gradient: 1,
  first: 2,
  second: 3,
  values: 4,
  // Float64 numbers from here on, and after them the same as pairs.
  beta1: 5,
  rest1: 6,
  beta2: 7,
  rest2: 8,
  stepSize: 9,
  secondCorrection: 10,
  epsilon: 11,
  keep: 12,
  factor: 13,
  g: 23,
  mean: 24,
  square: 25,
  end: 26,
} as const;
const numbers = 9;

/**
 * The module, assembled by the WebAssembly specification 2.0 (binary format, chapter 5): a function `move` over the imported
 * memory, whose numbers are float32 from four addresses on, a multiple of 16 bytes of each.
 */
function moduleBytes(): Uint8Array {
  const [i32, f64, v128, none] = [0x7f, 0x7c, 0x7b, 0x40];
  const get = (name: keyof typeof locals) => [0x20, ...leb(locals[name])];
  const pair = (name: keyof typeof locals) => [0x20, ...leb(locals[name] + numbers)];
  const set = (name: keyof typeof locals) => [0x21, ...leb(locals[name])];
  const vector = (operation: number, ...more: number[]) => [0xfd, ...leb(operation), ...more];
  const [add, sub, mul, div] = [0xf0, 0xf1, 0xf2, 0xf3].map((operation) => vector(operation));
  const [sqrt, splat, widen, narrow] = [vector(0xef), vector(0x14), vector(0x5f), vector(0x5e)];
  /** Two float32 at an address as float64 (v128.load64_zero, f64x2.promote_low_f32x4), and the way back (v128.store64_lane). */
  const load = (name: 'gradient' | 'first' | 'second' | 'values', offset: number) => [
    ...get(name),
    ...vector(0x5d, 2, ...leb(offset)),
    ...widen,
  ];
  const store = (offset: number) => [...narrow, ...vector(0x5b, 2, ...leb(offset), 0)];
  const average = (keep: number[], old: number[], rest: number[]) => [...keep, ...old, ...mul!, ...rest, ...add!];

  const two = (offset: number) => [
    // g = float32(gradient · factor)
    ...[...load('gradient', offset), ...pair('factor'), ...mul!, ...narrow, ...widen, ...set('g')],
    // mean = beta1 · first + (1 − beta1) · g
    ...average(pair('beta1'), load('first', offset), [...pair('rest1'), ...get('g'), ...mul!]),
    ...set('mean'),
    // square = beta2 · second + (1 − beta2) · g · g
    ...average(pair('beta2'), load('second', offset), [...pair('rest2'), ...get('g'), ...mul!, ...get('g'), ...mul!]),
    ...set('square'),
    ...[...get('first'), ...get('mean'), ...store(offset)],
    ...[...get('second'), ...get('square'), ...store(offset)],
    // values = values · keep − stepSize · mean / (√square · secondCorrection + epsilon)
    ...[...get('values'), ...load('values', offset), ...pair('keep'), ...mul!],
    ...[...pair('stepSize'), ...get('mean'), ...mul!],
    ...[...get('square'), ...sqrt, ...pair('secondCorrection'), ...mul!, ...pair('epsilon'), ...add!],
    ...[...div!, ...sub!, ...store(offset)],
  ];
  const scalars = [
    'beta1',
    'rest1',
    'beta2',
    'rest2',
    'stepSize',
    'secondCorrection',
    'epsilon',
    'keep',
    'factor',
  ] as const;
  const addresses = ['gradient', 'first', 'second', 'values'] as const;
  const body = [
    ...scalars.flatMap((name) => [...get(name), ...splat, 0x21, ...leb(locals[name] + numbers)]),
    ...[...get('gradient'), ...get('bytes'), 0x6a, ...set('end')],
    // block, loop: out of both where gradient ≥ end
    ...[0x02, none, 0x03, none, ...get('gradient'), ...get('end'), 0x4f, 0x0d, 1],
    ...[...two(0), ...two(8)],
    ...addresses.flatMap((name) => [...get(name), 0x41, 16, 0x6a, ...set(name)]),
    ...[0x0c, 0, 0x0b, 0x0b, 0x0b],
  ];
  const code = [
    ...list([
      [numbers + 3, v128!],
      [1, i32!],
    ]),
    ...body,
  ];
  const type = [0x60, ...list([...Array(5).fill([i32]), ...Array(numbers).fill([f64])]), 0];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list([type])),
    ...section(2, list([[...text('from'), ...text('memory'), 2, 0, 1]])),
    ...section(3, list([[0]])),
    ...section(7, list([[...text('move'), 0, 0]])),
    ...section(10, list([[...leb(code.length), ...code]])),
  ]);
}

/** A whole number in seven bits a byte, the last byte without its highest bit. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

const list = (items: readonly (readonly number[])[]) => [...leb(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]) => [id, ...leb(content.length), ...content];
const text = (name: string) => [name.length, ...new TextEncoder().encode(name)];
