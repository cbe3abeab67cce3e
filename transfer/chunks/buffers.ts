// Buffers of whole chunks: who owns one, and giving it back without waiting for the collector.
//
// A collector judges by a heap that is small beside the buffers that hang on it: tens of megabytes
// lie about in every thread before it looks. What is known to be over is given back at once.

/** Whether nothing else is in the memory of these bytes: no pool, no larger piece. */
export function ownsBuffer({ buffer, byteLength }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength && byteLength > 0;
}

/** Gives the memory back, if it is theirs alone. Whoever still reads them finds nothing. */
export function letGo(bytes: Uint8Array): void {
  if (ownsBuffer(bytes) && bytes.buffer instanceof ArrayBuffer) bytes.buffer.transfer(0);
}

/** The same for bytes that are most of their buffer, the rest of which nobody reads any more. */
export function letGoAll({ buffer, byteLength }: Uint8Array): void {
  if (!(buffer instanceof ArrayBuffer) || byteLength * 2 <= buffer.byteLength) return;
  buffer.transfer(0);
}
