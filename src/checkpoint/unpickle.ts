/**
 * A pickle reader that builds data and never runs anything: names of Python's are looked up in a short list of what
 * PyTorch writes into checkpoints, and every opcode or name beyond is refused. Nothing of a file is ever called.
 *
 * Format: https://docs.python.org/3/library/pickletools.html; protocol 2 to 5.
 */

/** A value that a pickle describes. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleGlobal
  | PickleStorage
  | PickleTensor;

export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}
export interface PickleList {
  readonly kind: 'list';
  readonly items: PickleValue[];
}
export interface PickleDict {
  readonly kind: 'dict';
  readonly entries: Map<string, PickleValue>;
}
/** A name of the list below. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly name: string;
}
/** A storage: an entry `data/<key>` of the archive. */
export interface PickleStorage {
  readonly kind: 'storage';
  /** PyTorch's class, such as `FloatStorage`. */
  readonly type: string;
  readonly key: string;
  /** Number of elements. */
  readonly size: number;
}
/** A tensor as a view of a storage; offset and strides are in elements. */
export interface PickleTensor {
  readonly kind: 'tensor';
  readonly storage: PickleStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** What is wrong with a pickle, in words. */
export class PickleError extends Error {}

const storageTypes = ['Float', 'Half', 'BFloat16', 'Double', 'Long', 'Int', 'Short', 'Char', 'Byte', 'Bool'];
const storageGlobals = storageTypes.map((type) => `torch.${type}Storage`);

/** Every name that is understood; anything else could run code if Python read the file. */
const known = new Set([
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  'torch.Size',
  ...storageGlobals,
]);

/** Names of what PyTorch saves that is no plain tensor, for messages. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^torch\._utils\._rebuild_sparse_/, 'a sparse tensor: save `.to_dense()` of it'],
  [/^torch\._utils\._rebuild_qtensor$/, 'a quantised tensor: save `.dequantize()` of it'],
  [/^torch\._utils\._rebuild_tensor_v3$/, 'a tensor of a type such as float8 or uint16: save `.float()` of it'],
  [/^torch\._utils\._rebuild_meta_tensor/, 'a tensor without values (on the device meta)'],
  [/^torch\._utils\._rebuild_parameter_with_state$/, 'a parameter with attributes: save `.data` of it'],
  [/^torch\.Complex\w*Storage$/, 'a tensor of complex numbers'],
  [/^torch\.nn\./, 'a whole module: save `.state_dict()` of it'],
];

/** Bounds that no checkpoint comes near: a file that exceeds them is broken or means harm. */
const most = { stack: 1_000_000, memo: 5_000_000, name: 10_000 };

/** @throws PickleError for a pickle that is broken, or that holds anything but tensors, numbers, texts and containers */
export function unpickle(bytes: Uint8Array): PickleValue {
  return new Machine(bytes).run();
}

const mark = Symbol('mark');
type Slot = PickleValue | typeof mark;

class Machine {
  private at = 0;
  private readonly view: DataView;
  private readonly stack: Slot[] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PickleValue {
    for (;;) {
      const opcode = this.byte();
      if (opcode === 0x2e) return this.pop();
      this.step(opcode);
      if (this.stack.length > most.stack) throw new PickleError('it nests or lists more values than any checkpoint');
    }
  }

  private step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        if (this.byte() > 5) throw new PickleError('it is of a pickle protocol that is not known');
        return;
      case 0x95: // FRAME
        this.skip(8);
        return;
      case 0x28: // MARK
        this.stack.push(mark);
        return;
      case 0x30: // POP
        this.stack.pop();
        return;
      case 0x31: // POP_MARK
        this.popToMark();
        return;
      case 0x4e: // NONE
        this.push(null);
        return;
      case 0x88: // NEWTRUE
        this.push(true);
        return;
      case 0x89: // NEWFALSE
        this.push(false);
        return;
      case 0x4b: // BININT1
        this.push(this.byte());
        return;
      case 0x4d: // BININT2
        this.push(this.view.getUint16(this.skip(2), true));
        return;
      case 0x4a: // BININT
        this.push(this.view.getInt32(this.skip(4), true));
        return;
      case 0x8a: // LONG1
        this.push(this.long(this.byte()));
        return;
      case 0x47: // BINFLOAT
        this.push(this.view.getFloat64(this.skip(8), false));
        return;
      case 0x8c: // SHORT_BINUNICODE
        this.push(this.text(this.byte()));
        return;
      case 0x58: // BINUNICODE
        this.push(this.text(this.uint32()));
        return;
      case 0x29: // EMPTY_TUPLE
        this.push({ kind: 'tuple', items: [] });
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.push({ kind: 'tuple', items: this.popMany(opcode - 0x84) });
        return;
      case 0x74: // TUPLE
        this.push({ kind: 'tuple', items: this.popToMark() });
        return;
      case 0x5d: // EMPTY_LIST
        this.push({ kind: 'list', items: [] });
        return;
      case 0x6c: // LIST
        this.push({ kind: 'list', items: this.popToMark() });
        return;
      case 0x61: // APPEND
        this.append([this.pop()]);
        return;
      case 0x65: // APPENDS
        this.append(this.popToMark());
        return;
      case 0x7d: // EMPTY_DICT
        this.push({ kind: 'dict', entries: new Map() });
        return;
      case 0x73: // SETITEM
        this.set(this.popMany(2));
        return;
      case 0x75: // SETITEMS
        this.set(this.popToMark());
        return;
      case 0x71: // BINPUT
        this.remember(this.byte());
        return;
      case 0x72: // LONG_BINPUT
        this.remember(this.uint32());
        return;
      case 0x94: // MEMOIZE
        this.remember(this.memo.size);
        return;
      case 0x68: // BINGET
        this.recall(this.byte());
        return;
      case 0x6a: // LONG_BINGET
        this.recall(this.uint32());
        return;
      case 0x63: // GLOBAL
        this.global(`${this.line()}.${this.line()}`);
        return;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string') throw new PickleError('a name in it is no text');
        this.global(`${module}.${name}`);
        return;
      }
      case 0x51: // BINPERSID
        this.push(this.storage(this.pop()));
        return;
      case 0x52: // REDUCE
        this.reduce();
        return;
      case 0x62: // BUILD
        this.build();
        return;
      default:
        throw new PickleError(
          `it uses the pickle operation 0x${opcode.toString(16)}, which no checkpoint of tensors needs`,
        );
    }
  }

  /** BUILD after an OrderedDict carries its attributes (`_metadata` of state dicts): plain data, and not needed. */
  private build(): void {
    const state = this.pop();
    const target = this.stack.at(-1);
    const isPlain = isObject(state) && (state.kind === 'dict' || state.kind === 'tuple');
    if (!isObject(target) || target.kind !== 'dict' || !isPlain) {
      throw new PickleError('it wants to set the state of an object, which could run code; refused');
    }
  }

  /** The few calls that stand for data. Everything else was refused when its name came up. */
  private reduce(): void {
    const [callable, args] = this.popMany(2);
    if (!isObject(callable) || callable.kind !== 'global' || !isObject(args) || args.kind !== 'tuple') {
      throw new PickleError('it wants to call something that is no function; refused');
    }
    this.push(made(callable.name, args.items));
  }

  private global(name: string): void {
    const other = others.find(([pattern]) => pattern.test(name));
    if (other !== undefined) throw new PickleError(`it holds ${other[1]}`);
    if (name.length > most.name || !known.has(name)) {
      const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name;
      throw new PickleError(
        `it wants to use ${shown}, which is no part of a checkpoint of tensors. Python would run it; it is refused here`,
      );
    }
    this.push({ kind: 'global', name });
  }

  /** `('storage', class, key, location, size)` */
  private storage(id: PickleValue): PickleStorage {
    const items = isObject(id) && id.kind === 'tuple' ? id.items : [];
    const [what, type, key, , size] = items;
    const isStorage = isObject(type) && type.kind === 'global' && storageGlobals.includes(type.name);
    if (what !== 'storage' || !isStorage || typeof key !== 'string' || !isSize(size)) {
      throw new PickleError('it refers to something that is no storage of a tensor');
    }
    if (!/^[\w.-]{1,200}$/.test(key))
      throw new PickleError('a storage in it has a name that is no entry of the archive');
    return { kind: 'storage', type: type.name.slice('torch.'.length), key, size };
  }

  private append(values: readonly PickleValue[]): void {
    const target = this.stack.at(-1);
    if (!isObject(target) || target.kind !== 'list') throw new PickleError('it appends to what is no list');
    for (const value of values) target.items.push(value);
  }

  private set(items: readonly PickleValue[]): void {
    const target = this.stack.at(-1);
    if (!isObject(target) || target.kind !== 'dict' || items.length % 2 !== 0) {
      throw new PickleError('it sets entries of what is no dictionary');
    }
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key !== 'string' && typeof key !== 'number')
        throw new PickleError('a key in it is neither text nor number');
      target.entries.set(String(key), items[i + 1]!);
    }
  }

  private remember(index: number): void {
    const top = this.stack.at(-1);
    if (top === undefined || top === mark) throw new PickleError('it remembers a value that is not there');
    if (this.memo.size >= most.memo) throw new PickleError('it remembers more values than any checkpoint');
    this.memo.set(index, top);
  }

  private recall(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) throw new PickleError('it recalls a value that it has not remembered');
    this.push(value);
  }

  private push(value: PickleValue): void {
    this.stack.push(value);
  }

  private pop(): PickleValue {
    const top = this.stack.pop();
    if (top === undefined || top === mark) throw new PickleError('it takes a value that is not there');
    return top;
  }

  private popMany(count: number): PickleValue[] {
    return Array.from({ length: count }, () => this.pop()).reverse();
  }

  private popToMark(): PickleValue[] {
    const at = this.stack.lastIndexOf(mark);
    if (at < 0) throw new PickleError('it takes values back to a mark that is not there');
    return this.stack.splice(at).slice(1) as PickleValue[];
  }

  private byte(): number {
    return this.bytes[this.skip(1)]!;
  }

  private uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  private text(length: number): string {
    const start = this.skip(length);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, length).toString('utf8');
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleError('it ends in the middle of a name');
    const length = end - this.at;
    const text = this.text(length);
    this.skip(1);
    return text;
  }

  /** A little-endian two's complement integer, exact up to 2⁵³. */
  private long(length: number): number {
    if (length > 8) throw new PickleError('a number in it is larger than any size');
    const start = this.skip(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.bytes[start + i]!);
    return Number(BigInt.asIntN(8 * length, value));
  }

  /** Moves on by `count` bytes; returns where they begin. */
  private skip(count: number): number {
    const start = this.at;
    if (start + count > this.bytes.length) throw new PickleError('it ends in the middle of a value');
    this.at = start + count;
    return start;
  }
}

function made(name: string, args: readonly PickleValue[]): PickleValue {
  switch (name) {
    case 'collections.OrderedDict':
      if (args.length > 0) break;
      return { kind: 'dict', entries: new Map() };
    case 'torch.Size':
      return args[0] ?? null;
    case 'torch._utils._rebuild_parameter':
      if (isObject(args[0]) && args[0].kind === 'tensor') return args[0];
      break;
    case 'torch._utils._rebuild_tensor_v2': {
      const [storage, offset, shape, strides, , , bits] = args;
      const [sizes, steps] = [sizesOf(shape), sizesOf(strides)];
      if (!isObject(storage) || storage.kind !== 'storage' || !isSize(offset) || sizes?.length !== steps?.length) break;
      if (sizes === undefined || steps === undefined) break;
      // PyTorch turns signs and conjugates when it reads the values (torch/_utils.py, `set_tensor_metadata`).
      if (isObject(bits) && (bits.kind !== 'dict' || bits.entries.size > 0)) {
        throw new PickleError(
          'it holds a tensor whose values are yet to be negated or conjugated: save `.clone()` of it',
        );
      }
      return { kind: 'tensor', storage, offset, shape: sizes, strides: steps };
    }
  }
  throw new PickleError(`it uses ${name} in a way that is not understood`);
}

function sizesOf(value: PickleValue | undefined): number[] | undefined {
  if (!isObject(value) || (value.kind !== 'tuple' && value.kind !== 'list') || value.items.length > 64)
    return undefined;
  return value.items.every(isSize) ? (value.items as number[]) : undefined;
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: Slot | undefined): value is Exclude<PickleValue, null | boolean | number | string> {
  return typeof value === 'object' && value !== null;
}
