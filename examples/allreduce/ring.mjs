// The algorithm: one all-reduce (sum) of a vector that every rank of a ring holds.
//
// In each step a rank sends one chunk to its right and receives the next one from its left, both
// at once. What must always hold: all ranks call it with vectors of the same length, and after it
// every rank's vector is the sum of all.

/** `send(bytes)` goes to the right; `receive(bytes)` fills `bytes` from the left. */
export async function ring(vector, { send, receive, rank, count }) {
  const chunk = (index) => chunkOf(vector, ((index % count) + count) % count, count);
  const incoming = new Float32Array(Math.ceil(vector.length / count));

  // Reduce-scatter: afterwards this rank's chunk `rank + 1` is the sum of all ranks'.
  for (let step = 0; step < count - 1; step += 1) {
    const mine = chunk(rank - step - 1);
    const theirs = incoming.subarray(0, mine.length);
    await Promise.all([send(bytesOf(chunk(rank - step))), receive(bytesOf(theirs))]);
    for (let i = 0; i < mine.length; i += 1) mine[i] += theirs[i];
  }
  // All-gather: each finished chunk goes once round the ring.
  for (let step = 0; step < count - 1; step += 1) {
    const finished = chunk(rank + 1 - step);
    await Promise.all([send(bytesOf(finished)), receive(bytesOf(chunk(rank - step)))]);
  }
}

/** Chunk `index` of `count`; their lengths differ by at most one. */
function chunkOf(vector, index, count) {
  const start = Math.floor((vector.length * index) / count);
  const end = Math.floor((vector.length * (index + 1)) / count);
  return vector.subarray(start, end);
}

function bytesOf(floats) {
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength);
}
