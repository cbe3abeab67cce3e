// The join: a one-time token in, an identity on the bus and the bulk wire out.
//
// A node sends its public nkey and a certificate request; both private halves stay with it. It
// gets a certificate in its own name, whatever the request asked for, and becomes a user of the
// bus with a node's permissions. A node that joins again replaces what it was before.

import { SkyError } from "../model/errors.ts";
import { clusterPattern, tokenPattern } from "../model/ids.ts";
import { agreeOnWire } from "../model/wire.ts";
import type { HandlersOf, joinService } from "../proto/services.ts";
import { nodePermissions } from "../runtime/bus-permissions.ts";
import { joinName, type PeerName, peerText } from "../runtime/certificates.ts";
import { type KeyedCertificate, signRequest } from "../runtime/certificates-os.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import type { BusUsers } from "../runtime/nats-config.ts";
import { isUserNkey } from "../runtime/nkey-text.ts";
import type { Random } from "../runtime/random.ts";
import type { StreamTarget } from "../runtime/stream.ts";
import {
  issueToken,
  type JoinAttempt,
  type JoinTickets,
  redeemToken,
  revokeToken,
} from "./join.ts";

export interface JoinDeskOptions {
  readonly authority: KeyedCertificate;
  readonly users: BusUsers;
  /** Where nodes find the bus, and the head on the bulk wire. */
  readonly busUrl: () => string;
  readonly stream: () => StreamTarget;
  /** What a node signs in with on a bus that is not ours. Absent = the key that it names itself. */
  readonly busAccess?: (peer: PeerName) => Promise<BusAccess>;
  /** Whether who joins must have shown the certificate of its invitation (`joinName`). */
  readonly certified?: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Hears of each node that may join and speaks no wire version of ours. */
  readonly onMisfit?: (misfit: Misfit) => void;
}

export interface BusAccess {
  /** A NATS credentials file, or the seed of an nkey. Secret. */
  readonly busCredentials: string;
  /** PEM; "" = the system's. */
  readonly busAuthority: string;
}

const ownAccess: BusAccess = { busCredentials: "", busAuthority: "" };

export interface Misfit {
  readonly cluster: string;
  readonly node: string;
  readonly why: string;
}

export interface JoinDesk {
  /** A token that lets this node join once, soon. Secret. */
  issue(cluster: string, node: string): string;
  /** The node is gone: its token is void and its user is taken off the bus. */
  dismiss(cluster: string, node: string): Promise<void>;
  readonly handlers: HandlersOf<typeof joinService>;
  counts(): { readonly joined: number; readonly refused: number };
}

type JoinHandler = HandlersOf<typeof joinService>["join"];
type JoinRequest = Parameters<JoinHandler>[0];

export function createJoinDesk(options: JoinDeskOptions): JoinDesk {
  const desk = new Desk(options);
  return {
    issue: (cluster, node) => desk.issue(cluster, node),
    dismiss: (cluster, node) => desk.dismiss(cluster, node),
    handlers: { join: (request, { certified }) => desk.join(request, certified) },
    counts: () => ({ joined: desk.joined, refused: desk.refused }),
  };
}

class Desk {
  joined = 0;
  refused = 0;
  readonly #options: JoinDeskOptions;
  #tickets: JoinTickets = new Map();

  constructor(options: JoinDeskOptions) {
    this.#options = options;
  }

  issue(cluster: string, node: string): string {
    const { clock, random } = this.#options;
    const nowMs = clock.now().monoMs;
    const issued = issueToken(this.#tickets, { cluster, node }, { nowMs, random });
    this.#tickets = issued.tickets;
    return issued.token;
  }

  async dismiss(cluster: string, node: string): Promise<void> {
    this.#tickets = revokeToken(this.#tickets, { cluster, node });
    await this.#options.users.remove(peerText({ cluster, node }));
  }

  async join(request: JoinRequest, certified: string | undefined): ReturnType<JoinHandler> {
    const { cluster, node, version } = request;
    const { log } = this.#options;
    try {
      this.#demandCertificate(request, certified);
      const response = await this.#admit(request);
      this.joined += 1;
      log.info("joined", { cluster, node, version });
      return response;
    } catch (error) {
      this.refused += 1;
      log.info("join refused", { cluster, node, why: String(error) });
      throw error;
    }
  }

  async #admit(request: JoinRequest): ReturnType<JoinHandler> {
    const { authority, users, busUrl, busAccess, stream, clock } = this.#options;
    const { cluster, node, nkeyPublic: publicKey } = request;
    checkShape(request);
    const { token } = request;
    this.#redeem({ cluster, node, token, publicKey });
    const agreement = this.#agree(request);
    const { wallMs: nowMs } = clock.now();
    const label = peerText({ cluster, node });
    const access = (await busAccess?.({ cluster, node })) ?? ownAccess;
    const certificate = await signRequest(authority, {
      ...{ request: request.certificateRequest, commonName: label, hosts: [], nowMs },
    });
    // It may have been dismissed meanwhile. The same key may redeem again.
    this.#redeem({ cluster, node, token, publicKey });
    await users.add({ publicKey, label, permissions: nodePermissions(cluster, node) });
    return {
      ...{ certificate, authority: authority.certificate, busUrl: busUrl() },
      ...access,
      ...{ streamHost: stream().host, streamPort: stream().port },
      ...{ wireVersion: agreement.version, capabilities: [...agreement.capabilities] },
    };
  }

  /** Where nodes come over the network: only with the certificate of its own invitation. */
  #demandCertificate({ cluster, node }: JoinRequest, certified: string | undefined): void {
    if (this.#options.certified !== true) return;
    if (certified === joinName({ cluster, node })) return;
    throw new SkyError("join/denied", { why: "it came with the certificate of another" });
  }

  /** Only one who has the token gets as far as this: what is told of it is true. */
  #agree({ cluster, node, wireVersion, wireVersionOldest: oldest, capabilities }: JoinRequest) {
    const peer = { version: wireVersion, oldest, capabilities };
    const agreement = agreeOnWire(peer, { us: "this head", them: node });
    if (agreement.agreed) return agreement;
    const { why } = agreement;
    this.#options.onMisfit?.({ cluster, node, why });
    throw new SkyError("join/version", { why });
  }

  #redeem(attempt: JoinAttempt): void {
    const verdict = redeemToken(this.#tickets, attempt, this.#options.clock.now().monoMs);
    if (!verdict.accepted) throw new SkyError("join/denied", { why: verdict.why });
    this.#tickets = verdict.tickets;
  }
}

/** What ends up in subjects and configurations has its strict form before anything else is done. */
function checkShape({ cluster, node, nkeyPublic }: JoinRequest): void {
  const wrong = (field: string): SkyError =>
    new SkyError("request/invalid", { field, why: "it does not have the right form" });
  if (!clusterPattern.test(cluster)) throw wrong("cluster");
  if (!tokenPattern.test(node)) throw wrong("node");
  // One that is not whole would make the configuration of the bus invalid, for everybody.
  if (!isUserNkey(nkeyPublic)) throw wrong("nkey_public");
}
