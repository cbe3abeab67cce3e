// Carries out the plan of `bundle-spread.ts`: from us to a host, from a host to others.
//
// A host that gives starts a small server of the bundle's own for one receiver, which fetches with
// whatever it has; the hash came to it over SSH, so what it gets is checked there. When the session
// to the giver ends, so does its server.

import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorText, isSkyError, SkyError } from "../../model/errors.ts";
import type { Log } from "../../runtime/log.ts";
import type { Ssh, SshStream } from "../../runtime/ssh.ts";
import type { ServeOrders } from "./bundle-serve.ts";
import type { Spread, Transfer, TransferEnd } from "./bundle-spread.ts";
import { afterSent, afterTransfer, nextTransfers, startSpread } from "./bundle-spread.ts";
import type { HostPlace } from "./host-steps.ts";
import { hostTrouble } from "./host-trouble.ts";

export interface SpreadOptions {
  readonly ssh: Ssh;
  readonly log: Log;
  /** The scripts of the steps; `args[0]` is the step. */
  readonly script: string;
  readonly bundle: { readonly path: string; readonly hash: string };
  readonly signal: AbortSignal;
  /** Hears how many bytes have left us, as they do. */
  readonly onSent: (bytes: number) => void;
}

export interface SpreadSeat {
  readonly place: HostPlace;
  /** The cluster's folder there. */
  readonly folder: string;
  readonly has: boolean;
}

const connectMs = 30_000;
/** Of a fetch: a slow network between hosts of 1 MB/s carries a bundle in less than a minute. */
const fetchMs = 300_000;

/** Resolves with what kept each from having it. */
export async function spreadBundle(
  seats: readonly SpreadSeat[],
  options: SpreadOptions,
): Promise<readonly (Error | undefined)[]> {
  const problems: (Error | undefined)[] = seats.map(() => undefined);
  let spread: Spread = startSpread(seats.map(({ has }) => has));
  const running = new Map<Transfer, Promise<void>>();
  const begin = (): void => {
    const [begun, transfers] = nextTransfers(spread);
    spread = begun;
    for (const transfer of transfers) running.set(transfer, carry(transfer));
  };
  const carry = async (transfer: Transfer): Promise<void> => {
    const outcome = await transferred(transfer, seats, {
      ...options,
      onGiven: () => {
        spread = afterSent(spread, transfer);
        begin();
      },
    });
    if (outcome.problem !== undefined) problems[transfer.to] = outcome.problem;
    if (outcome.end === "done") problems[transfer.to] = undefined;
    spread = afterTransfer(spread, transfer, outcome.end);
    running.delete(transfer);
    begin();
  };
  begin();
  while (running.size > 0) await Promise.race(running.values());
  return problems;
}

interface Carrying extends SpreadOptions {
  /** Hears that the giver has given all of it. */
  readonly onGiven: () => void;
}

interface Outcome {
  readonly end: TransferEnd;
  readonly problem?: Error;
}

async function transferred(
  { from, to }: Transfer,
  seats: readonly SpreadSeat[],
  options: Carrying,
): Promise<Outcome> {
  const { log } = options;
  const receiver = seats[to];
  const giver = from === "us" ? undefined : seats[from];
  if (receiver === undefined) throw new SkyError("core/broken-invariant", { what: "no receiver" });
  const { host } = receiver.place;
  const begunAt = performance.now();
  try {
    if (giver === undefined) await send(receiver, options);
    else await give(giver, receiver, options);
    const ms = Math.round(performance.now() - begunAt);
    log.info("a host has the bundle", { host, from: giver?.place.host ?? "us", ms });
    return { end: "done" };
  } catch (error) {
    const problem = error instanceof Error ? error : new Error(errorText(error));
    if (giver === undefined || options.signal.aborted) return { end: "failed", problem };
    // A host that cannot be used gets it from nobody else either.
    const isUnfit = isSkyError(error, "host/unfit") && error.params["host"] === host;
    if (isUnfit) return { end: "failed", problem };
    log.info("hosts do not reach each other; it comes from us", {
      ...{ host, from: giver.place.host, why: problem.message },
    });
    return { end: "refused", problem };
  }
}

async function send({ place, folder }: SpreadSeat, options: SpreadOptions): Promise<void> {
  const { bundle, onSent } = options;
  const stream = await openStep(place, ["receive", folder, bundle.hash], options);
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      onSent(chunk.length);
      done(undefined, chunk);
    },
  });
  stream.stdout.resume();
  const sent = pipeline(createReadStream(bundle.path), counted, stream.stdin);
  // A host that has had enough says why, which tells more than that its input broke.
  const [ended, wrote] = await Promise.allSettled([stream.ended, sent]);
  if (ended.status === "rejected") throw ended.reason;
  if (ended.value.code !== 0) throw hostTrouble(place.host, "the bundle", ended.value);
  // It had the bundle already, from somebody else, and took no more.
  if (wrote.status === "rejected" && options.signal.aborted) throw wrote.reason;
}

async function give(giver: SpreadSeat, receiver: SpreadSeat, options: Carrying): Promise<void> {
  const { ssh, script, bundle, signal } = options;
  const token = randomBytes(16).toString("hex");
  const server = await openStep(giver.place, ["serve", giver.folder, bundle.hash], options);
  // Whoever waits for its port hears why there is none.
  server.ended.catch(() => {});
  try {
    const peers = [{ ip: receiver.place.ip, token }];
    const orders: ServeOrders = { address: giver.place.ip, peers };
    // A server that has ended takes no orders; that it has is told below.
    server.stdin.on("error", () => {});
    server.stdin.write(`${JSON.stringify(orders)}\n`);
    const port = await portOf(server, giver.place.host, options.onGiven);
    const args = ["fetch", receiver.folder, bundle.hash, giver.place.ip, port, token];
    const call = { script, args, timeoutMs: fetchMs };
    const result = await ssh.run(receiver.place.target, call, signal);
    if (result.code !== 0) throw hostTrouble(receiver.place.host, "the bundle", result);
  } finally {
    server.stdin.end();
  }
}

async function portOf(server: SshStream, host: string, onGiven: () => void): Promise<string> {
  const lines = createInterface({ input: server.stdout });
  const said = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      if (line.startsWith("port ")) resolve(line.slice("port ".length));
      if (line === "sent") onGiven();
    });
  });
  const ended = server.ended.then((end) => {
    throw hostTrouble(host, "giving the bundle away", end);
  });
  // It ends when all is given, too: after its port.
  ended.catch(() => {});
  return await Promise.race([said, ended]);
}

function openStep(
  { target }: HostPlace,
  args: readonly string[],
  { ssh, script, signal }: SpreadOptions,
): Promise<SshStream> {
  return ssh.open(target, { script, args, timeoutMs: connectMs }, signal);
}
