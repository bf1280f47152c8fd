type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A body for `fetch` that tells of its bytes as the connection takes them. `fetch` asks a blob for its size, its type and
 * its stream, which are those of `content`, read while they are sent.
 */
export function watchedBody(content: Blob, onBytes: (count: number) => void): Blob {
  const stream = () => {
    const counter = new TransformStream<Bytes, Bytes>({
      transform(chunk, controller) {
        onBytes(chunk.byteLength);
        controller.enqueue(chunk);
      },
    });
    return content.stream().pipeThrough(counter);
  };
  const { size, type } = content;
  return Object.defineProperties(new Blob([]), {
    size: { value: size },
    type: { value: type },
    stream: { value: stream },
  });
}
