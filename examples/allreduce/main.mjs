// A ring all-reduce over TCP: every rank holds a vector, and in the end every rank holds the sum.
//
// The vector is cut into as many chunks as there are ranks. In N-1 steps each rank passes a chunk
// to its right and adds the one that comes from its left (reduce-scatter); in N-1 more steps the
// finished chunks go round (all-gather). Each rank sends 2(N-1)/N of the vector, however many
// ranks there are.
//
// All values are whole numbers below 2^24, so float32 sums are exact and are compared with the
// closed form. Exit code 0: every element of every round was right. Any Node from 18 on runs it.

import { connectRing } from "./neighbours.mjs";
import { ring } from "./ring.mjs";

const vectorLength = 1_000_000;

try {
  await main(placeInRing(process.env), roundsFrom(process.env));
} catch (error) {
  console.error(`allreduce: ${error.message}`);
  // Sockets that are still open would keep the process alive.
  process.exit(1);
}

async function main(place, rounds) {
  const { rank, ips } = place;
  console.log(`rank ${rank} of ${ips.length} at ${ips[rank]}`);
  const neighbours = await connectRing(place);
  const vector = new Float32Array(vectorLength);
  for (let round = 1; round <= rounds; round += 1) {
    fill(vector, rank, round);
    const startedAt = performance.now();
    await ring(vector, { ...neighbours, rank, count: ips.length });
    const seconds = (performance.now() - startedAt) / 1000;
    check(vector, ips.length, round);
    if (rank === 0) console.log(reportOf(round, seconds, ips.length));
  }
  await neighbours.close();
  console.log(`rank ${rank}: ${rounds} rounds of ${vectorLength} floats, every sum is right`);
}

/** What a rank contributes: `(i mod 1000 + 1) · (rank + 1) + round`. */
function fill(vector, rank, round) {
  for (let i = 0; i < vector.length; i += 1) vector[i] = ((i % 1000) + 1) * (rank + 1) + round;
}

/** The sum over ranks 0 … N-1: `(i mod 1000 + 1) · N(N+1)/2 + N · round`. */
function check(vector, count, round) {
  const ranksSum = (count * (count + 1)) / 2;
  for (let i = 0; i < vector.length; i += 1) {
    const right = ((i % 1000) + 1) * ranksSum + count * round;
    if (vector[i] === right) continue;
    throw new Error(`round ${round}: element ${i} is ${vector[i]} and should be ${right}`);
  }
}

/** Algorithm bandwidth is the vector over the time; bus bandwidth is what one link carried. */
function reportOf(round, seconds, count) {
  const bytes = vectorLength * Float32Array.BYTES_PER_ELEMENT;
  const algorithm = bytes / seconds / 1e9;
  const bus = (algorithm * 2 * (count - 1)) / count;
  const bandwidth = `algorithm ${algorithm.toFixed(3)} GB/s, bus ${bus.toFixed(3)} GB/s`;
  return `round ${round}: ${(seconds * 1000).toFixed(1).padStart(7)} ms, ${bandwidth}`;
}

function placeInRing(env) {
  const ips = (env.SKYPILOT_NODE_IPS ?? "").split("\n").filter((ip) => ip !== "");
  const rank = Number(env.SKYPILOT_NODE_RANK ?? "none");
  if (ips.length === 0) throw new Error("SKYPILOT_NODE_IPS is empty: run this as a job");
  if (!(Number.isInteger(rank) && rank >= 0 && rank < ips.length)) {
    throw new Error(
      `SKYPILOT_NODE_RANK is ${env.SKYPILOT_NODE_RANK}, with ${ips.length} addresses`,
    );
  }
  const port = Number(env.RING_PORT ?? 29500);
  if (!(Number.isInteger(port) && port > 0 && port < 65536)) {
    throw new Error(`RING_PORT is ${env.RING_PORT}: a port number is wanted`);
  }
  return { rank, ips, port };
}

function roundsFrom(env) {
  const rounds = Number(env.RING_ROUNDS ?? 5);
  if (!(Number.isInteger(rounds) && rounds > 0 && rounds <= 1000)) {
    throw new Error(`RING_ROUNDS is ${env.RING_ROUNDS}: 1 to 1000 are wanted`);
  }
  return rounds;
}
