/**
 * The values of several generators as they come, each with its place among them; at the end what each gave at its own end.
 * Who stops reading, or a failure of one, ends them all.
 */
export async function* asTheyCome<T, End>(
  generators: readonly AsyncGenerator<T, End>[],
): AsyncGenerator<readonly [value: T, index: number], readonly End[], undefined> {
  const ends: End[] = [];
  const next = async (index: number) => ({ index, result: await generators[index]!.next() });
  const coming = new Map(generators.map((_, index) => [index, next(index)]));
  try {
    while (coming.size > 0) {
      const { index, result } = await Promise.race(coming.values());
      if (result.done === true) {
        ends[index] = result.value;
        coming.delete(index);
      } else {
        coming.set(index, next(index));
        yield [result.value, index];
      }
    }
    return ends;
  } finally {
    // Those that fail together are told of by the first alone.
    for (const one of coming.values()) one.catch(() => undefined);
    await Promise.allSettled(generators.map((one) => one.return(undefined as never)));
  }
}
