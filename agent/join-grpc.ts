// How a node comes into its cluster: with a token once, with its own credentials ever after.
//
// Keys are made here and never leave the node. A call whose reply was lost is repeated with the
// same keys, which the head takes for the same join.

import { isSkyError, SkyError } from "../model/errors.ts";
import { agreeOnWire, wireCapabilities, wireVersion, wireVersionOldest } from "../model/wire.ts";
import type { ClientOf, joinService } from "../proto/services.ts";
import { peerText } from "../runtime/certificates.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Files } from "../runtime/files.ts";
import { createUserNkey } from "../runtime/nkeys-nats.ts";
import {
  type Credentials,
  credentialsBytes,
  credentialsPath,
  parseCredentials,
} from "./credentials.ts";

export interface JoinOptions {
  readonly cluster: string;
  readonly node: string;
  /** Absent = only with what an earlier join left. */
  readonly token?: string;
  readonly client: ClientOf<typeof joinService>;
  readonly files: Files;
  /** `NodeHome.state`; made if it is not there. */
  readonly stateDir: string;
  readonly version: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const callMs = 20_000;
const triesMax = 5;
const waitMs = 200;

/** @throws SkyError `join/denied`, `join/version`, `head/unreachable`, `core/cancelled`. */
export async function joinCluster(options: JoinOptions): Promise<Credentials> {
  const saved = await savedCredentials(options);
  if (options.token === undefined) {
    if (saved !== undefined) return saved;
    throw new SkyError("join/denied", { why: "there is no token, and no earlier join" });
  }
  try {
    const joined = await joinAnew(options, options.token);
    await options.files.makeDir(options.stateDir, 0o700);
    const path = credentialsPath(options.stateDir);
    await options.files.replace(path, credentialsBytes(joined), 0o600);
    return joined;
  } catch (error) {
    // Started again with the orders of before: the token was ours, and so are the credentials.
    if (saved !== undefined && isSkyError(error, "join/denied")) return saved;
    throw error;
  }
}

async function savedCredentials(options: JoinOptions): Promise<Credentials | undefined> {
  const content = await options.files.read(credentialsPath(options.stateDir));
  return content === undefined ? undefined : parseCredentials(content, options);
}

async function joinAnew(options: JoinOptions, token: string): Promise<Credentials> {
  const { cluster, node, version } = options;
  const nkey = createUserNkey();
  // The library is large: only a join loads it.
  const { createRequest } = await import("../runtime/certificates-os.ts");
  const { request, key } = await createRequest(peerText({ cluster, node }));
  const reply = await callAgain(options, {
    ...{ cluster, node, token, version, wireVersion, wireVersionOldest },
    nkeyPublic: nkey.publicKey,
    certificateRequest: request,
    capabilities: [...wireCapabilities],
  });
  // A head that is older than what we understand may not know that it is.
  const peer = { version: reply.wireVersion, capabilities: reply.capabilities };
  const agreement = agreeOnWire(peer, { us: node, them: "the head" });
  if (!agreement.agreed) throw new SkyError("join/version", { why: agreement.why });
  const { certificate, authority, busUrl, streamHost, streamPort } = reply;
  return {
    ...{ cluster, node, nkeySeed: nkey.seed, key, certificate, authority },
    ...{ busUrl, streamHost, streamPort, wireVersion: reply.wireVersion },
    ...{ busCredentials: reply.busCredentials, busAuthority: reply.busAuthority },
  };
}

type Request = Parameters<ClientOf<typeof joinService>["join"]>[0];

async function callAgain(options: JoinOptions, request: Request) {
  const { client, clock, signal } = options;
  for (let tried = 1; ; tried += 1) {
    try {
      return await client.join(request, { signal, timeoutMs: callMs });
    } catch (error) {
      const again = isSkyError(error) && error.remedy === "retry" && tried < triesMax;
      if (!again || signal.aborted) throw error;
      await new Promise<void>((resolve) => void clock.after(tried * waitMs, resolve));
    }
  }
}
