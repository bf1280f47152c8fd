import { DiffoError } from '../../errors.js';
import { fullmatch, PatternError, parsePythonPattern } from './pythonPattern.js';

/** True where a regular expression of the field matches a module's path from a dot to its end, as PEFT's `get_pattern_key` has it. */
export function matchesEnd(field: string, pattern: string, module: string): boolean {
  return matches(field, `(.*\\.)?(${pattern})`, pattern, module);
}

/** True where it matches the whole path, as `re.fullmatch` has it. */
export function matchesWhole(field: string, pattern: string, module: string): boolean {
  return matches(field, pattern, pattern, module);
}

/** True where it matches the path or whatever the module stands in, from a dot to a dot. */
export function matchesWithin(field: string, pattern: string, module: string): boolean {
  return matches(field, `(^|.*\\.)${pattern}($|\\..*)`, pattern, module);
}

/**
 * The number of the layer that a module stands in: what follows the first part of its path that the pattern matches, by
 * default any part but the first.
 */
export function layerOf(field: string, pattern: string | undefined, module: string): number | undefined {
  const numbers = [...module.matchAll(/\.(\d+)(?=\.)/g)];
  const isLayers = (before: string) =>
    pattern === undefined ? before.includes('.') : matchesEnd(field, pattern, before);
  const found = numbers.find(({ index }) => isLayers(module.slice(0, index)));
  return found === undefined ? undefined : Number(found[1]);
}

/** Without anything but names and dots, which is nearly always. */
const isPlain = /^[\w.-]*$/;

/** @throws DiffoError for a pattern that is not read */
function matches(field: string, expression: string, pattern: string, module: string): boolean {
  // Python and JavaScript read these alike.
  if (isPlain.test(pattern)) return new RegExp(`^(?:${expression})$`).test(module);
  try {
    return fullmatch(parsePythonPattern(expression), module);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new DiffoError(
      `adapter_config.json: "${field}" has the regular expression "${pattern}", of which ${error.message} is not read. Write the full path of the module instead.`,
      { cause: error },
    );
  }
}
