import { DiffoError } from '../../errors.js';

/** True where a regular expression of an adapter's configuration matches a module's path from a dot to its end. */
export function matchesEnd(pattern: string, module: string): boolean {
  return matches(`(.*\\.)?(${pattern})`, pattern, module);
}

/** True where it matches the whole path. */
export function matchesWhole(pattern: string, module: string): boolean {
  return matches(`(${pattern})`, pattern, module);
}

/** @throws DiffoError for a pattern that JavaScript does not understand as Python does, or that may take for ever */
function matches(expression: string, pattern: string, module: string): boolean {
  try {
    if (!isTame(pattern)) throw new Error('it has too many loops');
    return new RegExp(`^${expression}$`).test(module);
  } catch (cause) {
    throw new DiffoError(
      `adapter_config.json: the pattern "${pattern}" is not understood. Write the full path of the module instead.`,
      { cause },
    );
  }
}

/** Loops in a loop, or many one after the other, can take longer than anybody waits, and an adapter may be anybody's. */
function isTame(pattern: string): boolean {
  return !/\)[*+{]/.test(pattern) && (pattern.match(/[*+{]/g)?.length ?? 0) <= 3;
}
