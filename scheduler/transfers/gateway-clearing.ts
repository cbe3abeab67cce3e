// Lets gateways take away what they have of a transfer that will not go on: partial files,
// journals, spools.
//
// Each is begun with once more, with a program that names what it wrote to, and stopped at once
// with the word to remove. One that cannot be reached is tried a few times, and then told by name.

import { errorText, isSkyError } from "../../model/errors.ts";
import type { TransferPass } from "../../runtime/certificates-transfer-os.ts";
import { gatewayHeader } from "../../transfer/gateway/orders.ts";
import type { Branch, GatewayId, Leaf } from "../../transfer/gateway/program.ts";
import { Bell } from "../../transfer/job/bell.ts";
import type { Ends } from "../../transfer/job/ends.ts";
import { storeConnectionsUsual } from "../../transfer/job/planning.ts";
import type { Part } from "../../transfer/job/programs.ts";
import { GatewayLine } from "./gateway-line.ts";
import type { Begin } from "./round.ts";
import type { RunPorts } from "./run-ports.ts";

/** A gateway that was begun with, and what it wrote. */
export interface Begun {
  readonly gateway: GatewayId;
  readonly stores: readonly number[];
  readonly writes: readonly number[];
}

export interface GatewayClearing {
  readonly ports: Pick<RunPorts, "doors" | "clock">;
  readonly parts: readonly Part[];
  readonly begin: (part: Part) => Omit<Begin, "kind" | "peers" | "pass">;
  readonly passes: ReadonlyMap<GatewayId, TransferPass>;
  readonly onClear: (gateway: GatewayId) => void;
}

const triesMax = 3;
const pauseMs = 1_000;
const beginMsMax = 20_000;

/** A program that is never run: it says where the gateway wrote. */
export function clearingPart({ gateway, stores, writes }: Begun, { destinations }: Ends): Part {
  const leaves = writes.map((destination): Leaf => {
    const handle = `write-${destination}`;
    const place = destinations[destination]?.place;
    if (place?.kind !== "store") return { op: "write_local", handle, destination };
    const store = Math.max(0, stores.indexOf(place.store));
    const connections = storeConnectionsUsual;
    return { op: "write_object_store", handle, store, destination, connections };
  });
  const [only] = leaves;
  const discard: Branch = { op: "discard", handle: "discard", destination: 0 };
  const child: Branch =
    leaves.length > 1 ? { op: "mux_and", handle: "mux", children: leaves } : (only ?? discard);
  const root = { op: "read_local", handle: "read", children: [child] } as const;
  const program = { gateway, stripes: 1, partitions: [{ stripe: 0, root }] };
  return { program, stores, writes, reads: true, to: [], from: [] };
}

/** A sentence for each that may have something left. */
export async function clearGateways(
  clearing: GatewayClearing,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { doors } = clearing.ports;
  const left = clearing.parts.map(async (part) => {
    const { gateway } = part.program;
    // With the cluster went what was on it.
    const isGone = isSkyError(doors.gone?.(gateway), "cluster/not-found");
    const why = isGone ? undefined : await cleared(clearing, part, signal);
    if (why === undefined) clearing.onClear(gateway);
    return why === undefined ? [] : [`partial files may be left at ${gateway}: ${why}`];
  });
  return (await Promise.all(left)).flat();
}

/** Why it was not; `undefined`: it was. */
async function cleared(
  clearing: GatewayClearing,
  part: Part,
  signal: AbortSignal,
): Promise<string | undefined> {
  let why = "";
  for (let tries = 0; tries < triesMax && !signal.aborted; tries += 1) {
    if (tries > 0) await pause(clearing, signal);
    try {
      why = await clearOnce(clearing, part, signal);
    } catch (error) {
      why = errorText(error);
    }
    if (why === "") return undefined;
  }
  return why;
}

async function clearOnce(
  { ports, begin, passes }: GatewayClearing,
  part: Part,
  signal: AbortSignal,
): Promise<string> {
  const { gateway } = part.program;
  const pass = passes.get(gateway);
  if (pass === undefined) return "it has no pass";
  const bell = new Bell();
  let hasBegun = false;
  const channel = await ports.doors.open(gateway, gatewayHeader, signal);
  const line = new GatewayLine({
    ...{ channel, clock: ports.clock },
    hear: ({ kind }) => {
      hasBegun ||= kind === "begun";
      bell.ring();
    },
  });
  const late = ports.clock.after(beginMsMax, () => line.abort("it does not begin"));
  line.say({ kind: "begin", ...begin(part), peers: [], pass });
  let isOver = false;
  void line.closed.then(() => {
    isOver = true;
    bell.ring();
  });
  while (!hasBegun && !isOver) await bell.next();
  late();
  if (!hasBegun) return await line.closed;
  return (await line.stop("remove")) ? "" : await line.closed;
}

async function pause({ ports }: GatewayClearing, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cancel = ports.clock.after(pauseMs, resolve);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  cancel();
}
