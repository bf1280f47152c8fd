/** The same generator with each of its values changed; it gives what the other gives at its end. */
export async function* mapped<T, U, End>(
  values: AsyncGenerator<T, End>,
  change: (value: T) => U,
): AsyncGenerator<U, End, undefined> {
  try {
    for (;;) {
      const next = await values.next();
      if (next.done === true) return next.value;
      yield change(next.value);
    }
  } finally {
    await values.return(undefined as never);
  }
}
