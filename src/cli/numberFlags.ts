import { InvalidArgumentError } from 'commander';

/** Reads a number of a range. */
export function numberFrom(lowest: number, highest = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= lowest && value <= highest && Number.isFinite(value)) return value;
    const range = highest === Number.POSITIVE_INFINITY ? `of at least ${lowest}` : `from ${lowest} to ${highest}`;
    throw new InvalidArgumentError(`It takes a number ${range}.`);
  };
}

/** Reads a number above 0. */
export function numberAbove0(text: string): number {
  const value = numberFrom(0)(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It takes a number above 0.');
}

/** Reads a whole number of at least `lowest`. */
export function wholeNumber(lowest: number): (text: string) => number {
  const parse = numberFrom(lowest);
  return (text) => {
    const value = parse(text);
    if (Number.isInteger(value)) return value;
    throw new InvalidArgumentError(`It takes a whole number of at least ${lowest}.`);
  };
}
