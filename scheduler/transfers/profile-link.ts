// Measures one link: bytes that nothing was read for are sent along it and thrown away.
//
// The two gateways run programs like any others, with certificates of their own; what is counted is
// what arrived, between two words of the receiver, after the link has come up to speed.
//
// What must always hold: nothing of a test is left at either gateway, also when it fails.

import { SkyError } from "../../model/errors.ts";
import type { TransferPass, TransferPeer } from "../../runtime/certificates-transfer-os.ts";
import type { Clock, Instant } from "../../runtime/clock.ts";
import type { GatewayDoors, GatewaySite, Reached } from "../../transfer/gateway/doors.ts";
import type { GatewayOrder, GatewayWord } from "../../transfer/gateway/orders.ts";
import { gatewayHeader } from "../../transfer/gateway/orders.ts";
import type { Program } from "../../transfer/gateway/program.ts";
import { addressFor, dialling } from "../../transfer/gateway/reach.ts";
import type { LinkTest } from "./profile-rounds.ts";
import { GatewayTalk } from "./profile-talk.ts";

export interface LinkMeasuring {
  readonly doors: GatewayDoors;
  /** As `createTransferPasses`. */
  readonly passes: (
    transfer: string,
    peers: readonly TransferPeer[],
  ) => Promise<ReadonlyMap<string, TransferPass>>;
  /** 32 hexadecimal digits. */
  readonly newId: () => string;
  readonly clock: Clock;
  readonly seconds: number;
}

/** More than any link takes in the time. */
const testBytes = 2 ** 36;
/** As in the grid of a plan: with as many as help. */
const connections = 16;
const memoryBytes = 64 * 1024 * 1024;
/** A connection needs some round trips to come up to speed. */
const warmMs = 500;
/** How long both may take until bytes move. */
const patienceMs = 20_000;

/**
 * In bits a second, × 1e9.
 * @throws SkyError what the gateways say; `stream/closed` if no bytes came.
 */
export async function measureLink(
  measuring: LinkMeasuring,
  test: LinkTest,
  signal: AbortSignal,
): Promise<number> {
  const { clock, seconds } = measuring;
  const ending = new AbortController();
  const late = new SkyError("stream/closed", {
    why: `nothing goes from ${test.from.gateway} to ${test.to.gateway}`,
  });
  const stop = clock.after(patienceMs + seconds * 1_000, () => ending.abort(late));
  const until = AbortSignal.any([signal, ending.signal]);
  const link = new Link(measuring, test, until);
  try {
    return await link.measure();
  } finally {
    stop();
    await link.close();
  }
}

class Link {
  readonly #measuring: LinkMeasuring;
  readonly #test: LinkTest;
  readonly #signal: AbortSignal;
  readonly #talks: GatewayTalk[] = [];
  #reached: Reached | undefined;

  constructor(measuring: LinkMeasuring, test: LinkTest, signal: AbortSignal) {
    this.#measuring = measuring;
    this.#test = test;
    this.#signal = signal;
  }

  async measure(): Promise<number> {
    const { from, to } = this.#test;
    const { newId, passes } = this.#measuring;
    const transfer = newId();
    const passOf = await passes(transfer, [{ peer: from.gateway }, { peer: to.gateway }]);
    const begin = async (site: GatewaySite, program: Program): Promise<GatewayTalk> => {
      const talk = await this.#talk(site);
      const pass = passOf.get(site.gateway);
      if (pass === undefined) throw new SkyError("core/broken-invariant", { what: "no pass" });
      await talk.say(this.#beginning(site, { transfer, program, pass }));
      return talk;
    };
    const receiver = await begin(to, receiving(this.#test));
    const sender = await begin(from, sending(this.#test));
    await this.#introduce(sender, receiver);
    const objects = [{ object: 0, source: "", bytes: testBytes, targets: ["0"] }];
    for (const talk of [receiver, sender]) {
      await talk.until("begun");
      await talk.say({ kind: "objects", objects });
      await talk.say({ kind: "objects-end" });
    }
    // Whatever the sender says meanwhile is of no interest, unless it fails.
    return await Promise.race([this.#rate(receiver), sender.untilFailed()]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#talks.map((talk) => talk.stop(this.#measuring.clock)));
    await this.#reached?.close();
  }

  async #talk(site: GatewaySite): Promise<GatewayTalk> {
    const { doors } = this.#measuring;
    const channel = await doors.open(site.gateway, gatewayHeader, this.#signal);
    const talk = new GatewayTalk(channel, site.gateway, this.#signal);
    this.#talks.push(talk);
    return talk;
  }

  #beginning(site: GatewaySite, about: About): GatewayOrder {
    const { from, to } = this.#test;
    const peer = site === from ? to.gateway : from.gateway;
    const dialler = dialling(from, to) === "first" ? from : to;
    return {
      ...{ kind: "begin", round: 1, ...about },
      peers: [{ peer, dial: site === dialler, connections }],
      ...{ stores: [], limits: { memoryBytes, diskBytes: 0 }, verify: "none" },
      folders: [null],
    };
  }

  async #introduce(sender: GatewayTalk, receiver: GatewayTalk): Promise<void> {
    const { from, to } = this.#test;
    const isFromDialling = dialling(from, to) === "first";
    const [dialler, listener] = isFromDialling ? [from, to] : [to, from];
    const [dials, listens] = isFromDialling ? [sender, receiver] : [receiver, sender];
    const { target } = await listens.until("listening");
    const host = addressFor(dialler, listener) ?? target.host;
    const ways = { from: dialler.gateway, to: listener.gateway, target: { ...target, host } };
    const { doors } = this.#measuring;
    this.#reached = await doors.reach?.(ways, this.#signal);
    const found = this.#reached?.target ?? ways.target;
    await dials.say({ kind: "peer", peer: listener.gateway, target: found });
  }

  async #rate(receiver: GatewayTalk): Promise<number> {
    const { clock, seconds } = this.#measuring;
    let began: Instant | undefined;
    let first: Seen | undefined;
    for (;;) {
      const { metrics } = await receiver.until("metrics");
      const seen: Seen = { bytes: arrived(metrics), ms: clock.now().monoMs };
      if (seen.bytes === 0) continue;
      began ??= clock.now();
      if (seen.ms - began.monoMs < warmMs) continue;
      first ??= seen;
      const ms = seen.ms - first.ms;
      if (ms >= seconds * 1_000) return ((seen.bytes - first.bytes) * 8) / (ms * 1e6);
    }
  }
}

interface About {
  readonly transfer: string;
  readonly program: Program;
  readonly pass: TransferPass;
}

interface Seen {
  readonly bytes: number;
  readonly ms: number;
}

function arrived({ operators }: Extract<GatewayWord, { kind: "metrics" }>["metrics"]): number {
  return operators.find(({ handle }) => handle === discardHandle)?.bytes ?? 0;
}

const discardHandle = "discard-0";

function sending({ from, to }: LinkTest): Program {
  const send = { op: "send", handle: "send-0", to: to.gateway, connections, compress: false };
  const root = { op: "gen_data", handle: "gen-0", compressible: false, children: [send] };
  return { gateway: from.gateway, stripes: 1, partitions: [{ stripe: 0, root }] } as Program;
}

function receiving({ from, to }: LinkTest): Program {
  const discard = { op: "discard", handle: discardHandle, destination: 0 };
  const root = {
    ...{ op: "receive", handle: "receive-0", from: [from.gateway], children: [discard] },
  };
  return { gateway: to.gateway, stripes: 1, partitions: [{ stripe: 0, root }] } as Program;
}
