// What the agent's actor (`agent-actor.ts`) wants done, and what it is done with. Pure.
//
// Apart from both the actor and what carries it out (`agent-perform-actor.ts`): each needs it.

import type { Address } from "../model/address.ts";
import type { NodeHome } from "../model/home.ts";
import type { RankKey } from "../model/job.ts";
import type { Lease } from "../model/lease.ts";
import type { RankSpec } from "../proto/messages.ts";
import type { Files } from "../runtime/files.ts";
import type { Log } from "../runtime/log.ts";
import type { ProcessPort } from "../runtime/process.ts";
import type { LogShipper } from "./log-ship-actor.ts";
import type { RankEffect, RankState } from "./rank.ts";
import type { RankRecords } from "./rank-records.ts";
import type { NodeWorkdir } from "./workdir-os.ts";

export type AgentEffect =
  | Exclude<RankEffect, { readonly kind: "report" | "start-grace" | "stop-grace" | "go" }>
  | { readonly kind: "go"; readonly key: RankKey; readonly lease?: Lease }
  /** All leases hold from this moment. */
  | { readonly kind: "renew"; readonly from: number }
  | { readonly kind: "prepare"; readonly key: RankKey; readonly spec: RankSpec }
  | { readonly kind: "forget"; readonly key: RankKey }
  /** It uses its workdir no more. */
  | { readonly kind: "leave-workdir"; readonly rank: RankState }
  | { readonly kind: "answer"; readonly to: Address; readonly json: string }
  | { readonly kind: "connect" }
  | { readonly kind: "leave"; readonly to: Address; readonly order: LeaveOrder };

/** What an agent is told at its end; see `Leave` of the wire. */
export interface LeaveOrder {
  readonly remove: boolean;
  readonly why: string;
}

export interface AgentPorts {
  readonly home: NodeHome;
  readonly node: string;
  readonly process: ProcessPort;
  readonly files: Files;
  readonly records: RankRecords;
  readonly logs: LogShipper;
  readonly workdir: NodeWorkdir;
  readonly log: Log;
  /** There is a session with the head from then on, if one can be had. Never rejects. */
  readonly connect: () => Promise<void>;
  /** Resolves with what is kept, when all is gone but the process. Absent: it never leaves. */
  readonly onLeave?: (order: LeaveOrder) => Promise<readonly string[]>;
}
