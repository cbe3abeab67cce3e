// The rendezvous: a TCP connection to the rank on the right and one from the rank on the left.
//
// Every rank listens on its own address and dials its right neighbour again and again until that
// one listens too, for at most `rendezvousMs`. The first bytes on a connection say which rank
// calls, so that a stranger (a port scan, a rank of an older attempt) cannot take a neighbour's
// place.

import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const rendezvousMs = 30_000;
const retryMs = 50;
const silenceMs = 60_000;
const magic = 0x52494e47; // "RING"

/** Resolves when both neighbours are connected. @throws Error that names who is missing. */
export async function connectRing({ rank, ips, port }) {
  if (ips.length === 1) return { send: nothing, receive: nothing, close: nothing };
  const left = (rank + ips.length - 1) % ips.length;
  const right = (rank + 1) % ips.length;
  const hello = helloOf(rank, ips.length);
  const [inbound, outbound] = await Promise.all([
    accept({ host: ips[rank], port, hello: helloOf(left, ips.length), from: nameOf(left, ips) }),
    dial({ host: ips[right], port, hello, to: nameOf(right, ips) }),
  ]);
  const reader = readerOf(inbound, nameOf(left, ips));
  const writer = writerOf(outbound, nameOf(right, ips));
  return {
    send: writer.send,
    receive: reader.receive,
    close: async () => {
      outbound.end();
      await reader.ended();
    },
  };
}

async function nothing() {}

function nameOf(rank, ips) {
  return `rank ${rank} at ${ips[rank]}`;
}

function helloOf(rank, count) {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(magic, 0);
  bytes.writeUInt32BE(rank, 4);
  bytes.writeUInt32BE(count, 8);
  return bytes;
}

/** The connection whose first bytes are `hello`; others are closed and forgotten. */
function accept({ host, port, hello, from }) {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true, pauseOnConnect: true });
    const late = setTimeout(() => fail(new Error(`${from} did not connect`)), rendezvousMs);
    const fail = (error) => {
      clearTimeout(late);
      server.close();
      reject(error);
    };
    server.on("error", ({ message }) => fail(new Error(`cannot listen: ${message}`)));
    server.on("connection", (socket) => {
      socket.on("error", () => socket.destroy());
      socket.on("readable", function greet() {
        const bytes = socket.read(hello.length);
        if (bytes === null) return;
        socket.off("readable", greet);
        if (!bytes.equals(hello)) return socket.destroy();
        clearTimeout(late);
        server.close();
        resolve(socket);
      });
    });
    server.listen({ host, port });
  });
}

async function dial({ host, port, hello, to }) {
  const endsAt = Date.now() + rendezvousMs;
  for (;;) {
    try {
      const socket = await connectOnce(host, port);
      socket.write(hello);
      return socket;
    } catch (error) {
      if (Date.now() > endsAt) throw new Error(`${to} does not answer: ${error.message}`);
    }
    await pause(retryMs);
  }
}

function connectOnce(host, port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, timeout: rendezvousMs });
    socket.once("error", reject);
    socket.once("timeout", () => socket.destroy(new Error("timed out")));
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function writerOf(socket, name) {
  let failure;
  socket.on("error", (error) => {
    failure = error;
  });
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        const lost = (error) => new Error(`sending to ${name}: ${(failure ?? error).message}`);
        socket.write(bytes, (error) => (error ? reject(lost(error)) : resolve()));
      }),
  };
}

function readerOf(socket, name) {
  const chunks = socket[Symbol.asyncIterator]();
  let rest = Buffer.alloc(0);
  socket.setTimeout(silenceMs, () => socket.destroy(new Error(`silent for ${silenceMs} ms`)));
  const next = () =>
    chunks.next().catch((error) => {
      throw new Error(`receiving from ${name}: ${error.message}`);
    });
  return {
    receive: async (bytes) => {
      for (let filled = 0; filled < bytes.length; ) {
        if (rest.length === 0) {
          const { value, done } = await next();
          if (done) throw new Error(`${name} closed the connection too early`);
          rest = value;
        }
        const count = Math.min(rest.length, bytes.length - filled);
        rest.copy(bytes, filled, 0, count);
        filled += count;
        rest = rest.subarray(count);
      }
    },
    ended: async () => {
      const { done } = await next();
      if (!done) throw new Error(`${name} sent more than the ring needs`);
    },
  };
}
