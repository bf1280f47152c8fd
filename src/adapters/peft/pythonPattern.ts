/** A regular expression of Python, read as far as paths of modules need it: which texts it matches, not what its groups hold. */
export type PythonPattern = Node;

/** What of a pattern is not read, or is wrong in Python too. */
export class PatternError extends Error {}

type Node =
  | { readonly kind: 'character'; readonly matches: (character: string) => boolean }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly least: number; readonly most: number }
  | { readonly kind: 'place'; readonly holds: (text: string, at: number) => boolean }
  | { readonly kind: 'ahead'; readonly of: Node; readonly wanted: boolean };

/** Longer and deeper than anybody writes; a limit because an adapter may be anybody's. */
const longest = 4000;
const deepest = 12;

/**
 * True where `pattern` matches all of `text`, as Python's `re.fullmatch` says. It takes time that grows with the lengths of
 * both alone, whatever the pattern: positions are followed together, none is tried twice.
 */
export function fullmatch(pattern: PythonPattern, text: string): boolean {
  return reached(pattern, text, new Set([0])).has(text.length);
}

/** @throws PatternError for what Python refuses, and for syntax that is not read here: back-references, lookbehind, flags but `i` */
export function parsePythonPattern(source: string): PythonPattern {
  if (source.length > longest) throw new PatternError(`more than ${longest} characters`);
  const flags = /^\(\?([aiLmsux]+)\)/.exec(source);
  if (flags !== null && flags[1] !== 'i') throw new PatternError(flags[0]);
  return new Parser(source, flags === null ? 0 : flags[0].length, flags !== null).whole();
}

/** Where in the text a match may end that began at one of `starts`. */
function reached(node: Node, text: string, starts: ReadonlySet<number>): ReadonlySet<number> {
  switch (node.kind) {
    case 'character':
      return new Set([...starts].filter((at) => at < text.length && node.matches(text[at]!)).map((at) => at + 1));
    case 'sequence':
      return node.parts.reduce((now, part) => (now.size === 0 ? now : reached(part, text, now)), starts);
    case 'choice':
      return new Set(node.parts.flatMap((part) => [...reached(part, text, starts)]));
    case 'place':
      return new Set([...starts].filter((at) => node.holds(text, at)));
    case 'ahead':
      return new Set([...starts].filter((at) => reached(node.of, text, new Set([at])).size > 0 === node.wanted));
    case 'repeat':
      return repeated(node, text, starts);
  }
}

function repeated(
  { of, least, most }: Extract<Node, { kind: 'repeat' }>,
  text: string,
  starts: ReadonlySet<number>,
): ReadonlySet<number> {
  let now = starts;
  // Of more rounds than there are characters one takes none, and any number of such changes nothing.
  for (let round = 0; round < Math.min(least, text.length + 1); round++) now = reached(of, text, now);
  const all = new Set(now);
  for (let round = least; round < most && now.size > 0; round++) {
    now = new Set([...reached(of, text, now)].filter((at) => !all.has(at)));
    for (const at of now) all.add(at);
  }
  return all;
}

const isWord = (character: string | undefined) => character !== undefined && /^[\p{L}\p{N}_]$/u.test(character);
const isBoundary = (text: string, at: number) => isWord(text[at - 1]) !== isWord(text[at]);

const isSpace = (character: string) => /^\s$/.test(character);

const classes: Readonly<Record<string, (character: string) => boolean>> = {
  d: (one) => /^\p{Nd}$/u.test(one),
  D: (one) => !/^\p{Nd}$/u.test(one),
  w: isWord,
  W: (one) => !isWord(one),
  s: isSpace,
  S: (one) => !isSpace(one),
};
const places: Readonly<Record<string, (text: string, at: number) => boolean>> = {
  A: (_, at) => at === 0,
  Z: (text, at) => at === text.length,
  b: isBoundary,
  B: (text, at) => !isBoundary(text, at),
};
const controls: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v', a: '\x07' };

class Parser {
  private depth = 0;

  constructor(
    private readonly source: string,
    private at: number,
    private readonly ignoresCase: boolean,
  ) {}

  whole(): Node {
    const node = this.choice();
    if (this.at < this.source.length) throw new PatternError('an unbalanced )');
    return node;
  }

  private choice(): Node {
    const parts = [this.sequence()];
    while (this.take('|')) parts.push(this.sequence());
    return parts.length === 1 ? parts[0]! : { kind: 'choice', parts };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    while (this.at < this.source.length && !'|)'.includes(this.source[this.at]!)) parts.push(this.quantified());
    return { kind: 'sequence', parts };
  }

  private quantified(): Node {
    const of = this.atom();
    const range = this.quantifier();
    if (range === undefined) return of;
    if (of.kind === 'place') throw new PatternError('a repeated anchor');
    // A lazy quantifier matches the same texts; a possessive one does not.
    this.take('?');
    if (this.source[this.at] === '+') throw new PatternError('a possessive quantifier');
    if (this.quantifier() !== undefined) throw new PatternError('a quantifier after a quantifier');
    return { kind: 'repeat', of, ...range };
  }

  private quantifier(): { least: number; most: number } | undefined {
    if (this.take('*')) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.take('+')) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.take('?')) return { least: 0, most: 1 };
    const braces = /^\{(?:(\d+)(,(\d*))?|,(\d*))\}/.exec(this.source.slice(this.at));
    if (braces === null) return undefined;
    this.at += braces[0].length;
    const [, least = '0', comma, most, mostAlone] = braces;
    if (comma === undefined && mostAlone === undefined) return { least: Number(least), most: Number(least) };
    const end = comma === undefined ? mostAlone : most;
    const range = { least: Number(least), most: end === '' ? Number.POSITIVE_INFINITY : Number(end) };
    if (range.least > range.most) throw new PatternError(braces[0]);
    return range;
  }

  private atom(): Node {
    const character = this.source[this.at++]!;
    if (character === '(') return this.group();
    if (character === '[') return this.characterClass();
    if (character === '\\') return this.escape();
    if (character === '.') return { kind: 'character', matches: (one) => one !== '\n' };
    if (character === '^') return { kind: 'place', holds: places.A! };
    if (character === '$') {
      const isLast = (text: string, at: number) => at === text.length || (at === text.length - 1 && text[at] === '\n');
      return { kind: 'place', holds: isLast };
    }
    if ('*+?'.includes(character)) throw new PatternError(`${character} with nothing to repeat`);
    return this.literal(character);
  }

  private group(): Node {
    if (++this.depth > deepest) throw new PatternError(`more than ${deepest} groups in each other`);
    const kind = /^\?(?:P<[A-Za-z_]\w*>|:|=|!)/.exec(this.source.slice(this.at))?.[0];
    if (kind === undefined && this.source[this.at] === '?') {
      throw new PatternError(`(${this.source.slice(this.at, this.at + 3)}`);
    }
    this.at += kind?.length ?? 0;
    const of = this.choice();
    if (!this.take(')')) throw new PatternError('a ( that is not closed');
    this.depth--;
    return kind === '?=' || kind === '?!' ? { kind: 'ahead', of, wanted: kind === '?=' } : of;
  }

  private escape(): Node {
    const letter = this.source[this.at];
    if (letter !== undefined && Object.hasOwn(places, letter)) {
      this.at++;
      return { kind: 'place', holds: places[letter]! };
    }
    const one = this.escaped();
    return typeof one === 'string' ? this.literal(one) : { kind: 'character', matches: one };
  }

  /** What follows a backslash: a character, or a class of them. */
  private escaped(): string | ((character: string) => boolean) {
    const rest = this.source.slice(this.at);
    const code = /^(?:x([\da-fA-F]{2})|u([\da-fA-F]{4}))/.exec(rest);
    if (code !== null) {
      this.at += code[0].length;
      return String.fromCharCode(Number.parseInt(code[1] ?? code[2]!, 16));
    }
    const letter = rest[0];
    if (letter === undefined) throw new PatternError('a \\ at the end');
    this.at++;
    if (Object.hasOwn(classes, letter)) return classes[letter]!;
    if (Object.hasOwn(controls, letter)) return controls[letter]!;
    if (/[A-Za-z0-9]/.test(letter)) throw new PatternError(`\\${letter}`);
    return letter;
  }

  private characterClass(): Node {
    const isNegated = this.take('^');
    const members: ((character: string) => boolean)[] = [];
    for (let first = true; first || this.source[this.at] !== ']'; first = false) {
      if (this.at >= this.source.length) throw new PatternError('a [ that is not closed');
      const low = this.member();
      const isRange = this.source[this.at] === '-' && this.source[this.at + 1] !== ']';
      if (!isRange) {
        members.push(typeof low === 'string' ? this.literal(low).matches : low);
        continue;
      }
      this.at++;
      const high = this.member();
      if (typeof low !== 'string' || typeof high !== 'string' || low > high)
        throw new PatternError('a bad range in [ ]');
      members.push(this.folded((one) => one >= low && one <= high));
    }
    this.at++;
    return { kind: 'character', matches: (one) => members.some((member) => member(one)) !== isNegated };
  }

  private member(): string | ((character: string) => boolean) {
    if (this.at >= this.source.length) throw new PatternError('a [ that is not closed');
    if (!this.take('\\')) return this.source[this.at++]!;
    if (this.take('b')) return '\b';
    return this.escaped();
  }

  private literal(character: string): Extract<Node, { kind: 'character' }> {
    return { kind: 'character', matches: this.folded((one) => one === character) };
  }

  private folded(matches: (character: string) => boolean): (character: string) => boolean {
    if (!this.ignoresCase) return matches;
    return (one) => matches(one) || matches(one.toLowerCase()) || matches(one.toUpperCase());
  }

  private take(text: string): boolean {
    if (!this.source.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }
}
