import fc from 'fast-check';

/** JSON texts that a hand or a damaged file may put in the place of a value; some are no JSON, or more than it holds. */
const nasty: readonly string[] = [
  ...['null', 'true', 'false', '0', '1', '-1', '3', '1.5', '-0.5', '-0'],
  ...['1e6', '1e9', '2147483648', '9007199254740993', '1e308', '-1e308', '1e999', 'NaN', 'Infinity'],
  ...['""', '" "', '"1"', '"text"', '"../x"', '"/etc/passwd"', '"a/../../b"', '"..\\\\x"', '"\\u0000"', '"\\ud800"'],
  ...['"\\n"', '"\\u001b[31m"', '"{"', '"("', '"(a+)+$"', '"__proto__"', '"constructor"', '"\\u2028é漢😀"'],
  ...['[]', '[null]', '[[]]', '[1]', '["a"]', '["a", "a"]', '{}', '{"a": 1}', '{"__proto__": {"a": 1}}'],
  '{"constructor": {"prototype": 1}}',
  `"${'long '.repeat(20_000)}"`,
  '['.repeat(100) + ']'.repeat(100),
  `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`,
];

const names = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'length',
  '',
  'unknown',
  '\ud800',
  '\u0000',
  '0',
];

type Step = string | number;
type Edit =
  | { readonly kind: 'replace'; readonly at: string; readonly text: string }
  | { readonly kind: 'remove'; readonly at: string }
  | { readonly kind: 'add'; readonly at: string; readonly name: string; readonly text: string };

/** The text of a JSON value with one or two of its places replaced, removed, or given something more. */
export function mangled(value: unknown): fc.Arbitrary<string> {
  const at = fc.constantFrom(...placesOf(value, []));
  const text = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...nasty) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }).map((one) => JSON.stringify(one)) },
  );
  const edit: fc.Arbitrary<Edit> = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('replace'), at, text }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), at }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('add'), at, name: fc.constantFrom(...names), text }) },
  );
  return fc.array(edit, { minLength: 1, maxLength: 2 }).map((edits) => printed(value, [], edits));
}

const keyOf = (path: readonly Step[]) => JSON.stringify(path);

/** Every place of a value; of long lists the first three, since the others are like them. */
function placesOf(value: unknown, path: readonly Step[]): string[] {
  const inside = entriesOf(value).filter(([step]) => typeof step === 'string' || step < 3);
  return [keyOf(path), ...inside.flatMap(([step, one]) => placesOf(one, [...path, step]))];
}

function entriesOf(value: unknown): [Step, unknown][] {
  if (Array.isArray(value)) return value.map((one, i) => [i, one]);
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function printed(value: unknown, path: readonly Step[], edits: readonly Edit[]): string {
  const here = edits.filter(({ at }) => at === keyOf(path));
  const replaced = here.find((edit) => edit.kind === 'replace');
  if (replaced !== undefined) return replaced.text;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const put = (name: Step, text: string) => (isList ? text : `${JSON.stringify(String(name))}: ${text}`);
  const kept = entriesOf(value).filter(
    ([step]) => !edits.some(({ kind, at }) => kind === 'remove' && at === keyOf([...path, step])),
  );
  const parts = kept.map(([step, one]) => put(step, printed(one, [...path, step], edits)));
  const added = here.flatMap((edit) => (edit.kind === 'add' ? [put(edit.name, edit.text)] : []));
  const text = [...parts, ...added].join(', ');
  return isList ? `[${text}]` : `{${text}}`;
}
