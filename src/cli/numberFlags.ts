import { InvalidArgumentError } from 'commander';

/** Reads a number of a range. */
export function numberFrom(lowest: number, highest = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= lowest && value <= highest && Number.isFinite(value)) return value;
    throw new InvalidArgumentError(`It takes a number ${rangeOf(lowest, highest)}.`);
  };
}

/** Reads a number above 0. */
export function numberAbove0(text: string): number {
  const value = numberFrom(0)(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It takes a number above 0.');
}

/** Reads a whole number of a range. */
export function wholeNumber(lowest: number, highest = Number.POSITIVE_INFINITY): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isInteger(value) && value >= lowest && value <= highest) return value;
    throw new InvalidArgumentError(`It takes a whole number ${rangeOf(lowest, highest)}.`);
  };
}

function rangeOf(lowest: number, highest: number): string {
  return highest === Number.POSITIVE_INFINITY ? `of at least ${lowest}` : `from ${lowest} to ${highest}`;
}
