// Reads a stream to its end, and no further than it may be long: what others write never decides how much memory
// we take.

/** Closes the stream and throws what `tooLong` makes where it has more than `maxBytes`. */
export async function collect(
  stream: AsyncIterable<Uint8Array>,
  maxBytes: number,
  tooLong: () => Error,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
